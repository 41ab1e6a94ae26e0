//! Effects of promotions, prices and events, in the words of the wire.

use crate::dataset::RegressorKind;
use crate::grpc::proto;
use crate::model::forecasting::{CannotTell, Effect, EffectOutcome, Estimate, Uplift};

pub(super) fn wire(effect: &Effect) -> proto::RegressorEffect {
    use proto::regressor_effect::Outcome;
    let outcome = match &effect.outcome {
        EffectOutcome::Told(uplift) => Outcome::Uplift(wire_uplift(uplift, effect.kind)),
        EffectOutcome::CannotTell(reason) => Outcome::CannotTell(proto::CannotTell {
            reason: wire_reason(reason) as i32,
            message: reason.to_string(),
        }),
    };
    proto::RegressorEffect {
        regressor: effect.name.clone(),
        kind: match effect.kind {
            RegressorKind::Indicator => proto::RegressorKind::Indicator,
            RegressorKind::Price => proto::RegressorKind::Price,
        } as i32,
        outcome: Some(outcome),
    }
}

fn wire_uplift(uplift: &Uplift, kind: RegressorKind) -> proto::RegressorUplift {
    let Uplift { coefficient, percent, baseline, units, periods, pooled_series } = uplift;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    proto::RegressorUplift {
        percent: Some(wire_estimate(percent)),
        baseline: *baseline,
        uplift: Some(wire_estimate(units)),
        elasticity: (kind == RegressorKind::Price).then(|| wire_estimate(coefficient)),
        periods: count(*periods),
        pooled_series: count(*pooled_series),
    }
}

fn wire_estimate(estimate: &Estimate) -> proto::Estimate {
    let Estimate { value, lower, upper } = *estimate;
    proto::Estimate { value, lower, upper }
}

fn wire_reason(reason: &CannotTell) -> proto::CannotTellReason {
    match reason {
        CannotTell::NeverRan => proto::CannotTellReason::NeverRan,
        CannotTell::NeverMoved => proto::CannotTellReason::NeverMoved,
        CannotTell::HardlyMoved { .. } => proto::CannotTellReason::HardlyMoved,
        CannotTell::MovesWithSeason => proto::CannotTellReason::MovesWithSeason,
        CannotTell::Collinear { .. } => proto::CannotTellReason::Collinear,
        CannotTell::FewValues { .. } => proto::CannotTellReason::FewValues,
        CannotTell::NotThere => proto::CannotTellReason::NotThere,
    }
}
