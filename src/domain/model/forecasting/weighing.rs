//! Who counts how much for each series: members by their backtests, the boosted member and the
//! regressors only where they help.

use rayon::prelude::*;

use super::candidate::Candidate;
use super::member::Member;
use super::prepare::Kind;
use super::settings::Settings;
use super::weights::{Source, pooled, weights};

/// Fewest series whose pooled loss says something about another one.
const FEWEST_SERIES: usize = 5;
/// Largest ratio of losses that counts, so that no series decides alone.
const LARGEST_RATIO: f64 = 3.0;

/// A series with the weights of its members and the errors of their combination.
pub(super) struct Weighed<'a> {
    pub(super) candidate: Candidate<'a>,
    pub(super) weights: Vec<f64>,
    pub(super) source: Source,
    /// By origin and step.
    pub(super) errors: Vec<f32>,
}

/// Weights of one candidate and errors of the combination.
type Weights = (Vec<f64>, Source, Vec<f32>);

/// Weighs the members of all series. Boosting has no weight in a kind of series whose combination
/// errs more with it.
pub(super) fn weigh<'a>(candidates: Vec<Candidate<'a>>, settings: &Settings) -> Vec<Weighed<'a>> {
    let mut all = weights_of(&candidates, settings, |_| true);
    if candidates.iter().any(|one| one.members.contains(&Member::Boosting)) {
        let without = weights_of(&candidates, settings, |member| member != Member::Boosting);
        for kind in [Kind::Regular, Kind::Intermittent] {
            let loss = |weights: &[Weights]| -> f64 {
                let own = candidates.iter().zip(weights);
                let own = own.filter(|(one, _)| one.prepared.kind == kind && one.scale > 0.0);
                own.map(|(one, (_, _, errors))| one.combined_loss(errors)).sum()
            };
            if loss(&without) <= loss(&all) {
                let pairs = all.iter_mut().zip(&without).zip(&candidates);
                for ((with, without), _) in pairs.filter(|(_, one)| one.prepared.kind == kind) {
                    with.clone_from(without);
                }
            }
        }
    }
    let pairs = candidates.into_iter().zip(all);
    let join =
        |(candidate, (weights, source, errors))| Weighed { candidate, weights, source, errors };
    pairs.map(join).collect()
}

fn weights_of(
    candidates: &[Candidate<'_>],
    settings: &Settings,
    counts: impl Fn(Member) -> bool + Sync,
) -> Vec<Weights> {
    let horizon = settings.horizon;
    let losses = candidates.par_iter().map(|one| {
        let mut losses = one.losses(horizon, one.is_intermittent());
        for (loss, member) in losses.iter_mut().zip(&one.members) {
            if !counts(*member) {
                *loss = f64::INFINITY;
            }
        }
        losses
    });
    let losses: Vec<Vec<f64>> = losses.collect();
    let pool = |kind: Kind| {
        let pairs = candidates.iter().zip(&losses);
        let own = pairs.filter(|(one, loss)| one.prepared.kind == kind && !loss.is_empty());
        let own: Vec<&[f64]> = own.map(|(_, loss)| loss.as_slice()).collect();
        pooled(&own, own.first().map_or(0, |loss| loss.len()))
    };
    let regular = pool(Kind::Regular);
    let intermittent = pool(Kind::Intermittent);
    let pairs = candidates.par_iter().zip(&losses);
    let weigh = |(one, losses): (&Candidate<'_>, &Vec<f64>)| {
        let pool = match one.prepared.kind {
            Kind::Regular => regular.as_deref(),
            Kind::Intermittent => intermittent.as_deref(),
            Kind::Few => None,
        };
        let (weights, source) = weights(&one.members, losses, pool);
        let errors = one.combined(&weights, settings);
        (weights, source, errors)
    };
    pairs.map(weigh).collect()
}

/// Of each series the better one: with the effects of regressors taken out, or plain. Half of the
/// ratio of losses is the series' own, half that of all series together.
pub(super) fn choose<'a>(plain: Vec<Weighed<'a>>, corrected: Vec<Weighed<'a>>) -> Vec<Weighed<'a>> {
    let losses = |all: &[Weighed<'_>]| -> Vec<Option<f64>> {
        let loss = |one: &Weighed<'_>| {
            let tested = one.candidate.scale > 0.0 && !one.errors.is_empty();
            tested.then(|| one.candidate.combined_loss(&one.errors))
        };
        all.iter().map(loss).collect()
    };
    let (before, after) = (losses(&plain), losses(&corrected));
    let ratios = before.iter().zip(&after).map(|pair| match pair {
        (Some(before), Some(after)) if *before > 0.0 => Some((after / before).min(LARGEST_RATIO)),
        _ => None,
    });
    let ratios: Vec<Option<f64>> = ratios.collect();
    let (sum, count) = ratios
        .iter()
        .flatten()
        .fold((0.0, 0_usize), |(sum, count), ratio| (sum + ratio, count + 1));
    let pooled = (count >= FEWEST_SERIES).then(|| sum / count as f64);
    let pairs = plain.into_iter().zip(corrected).zip(ratios);
    let better = |((plain, corrected), own): ((Weighed<'a>, Weighed<'a>), Option<f64>)| {
        let neutral = corrected.candidate.corrections.is_some_and(|own| own.is_neutral());
        let ratio = match (own, pooled) {
            (Some(own), Some(pooled)) => 0.5 * own + 0.5 * pooled,
            (own, pooled) => own.or(pooled).unwrap_or(f64::INFINITY),
        };
        if ratio < 1.0 && !neutral { corrected } else { plain }
    };
    pairs.map(better).collect()
}

impl Candidate<'_> {
    pub(super) fn is_intermittent(&self) -> bool {
        self.prepared.kind == Kind::Intermittent
    }

    fn combined_loss(&self, errors: &[f32]) -> f64 {
        self.loss(errors.iter().map(|error| f64::from(*error)), self.is_intermittent())
    }
}
