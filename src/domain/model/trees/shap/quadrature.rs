//! Gauss-Legendre quadrature.

/// Points between 0 and 1 and their weights.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) points: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

impl Rule {
    /// The rule of `count` points, exact for polynomials of degree `2 count - 1`.
    ///
    /// Points are zeros of the Legendre polynomial, found by Newton's method from the usual
    /// first guess `cos(pi (i + 3/4) / (n + 1/2))` (Press et al. 2007, section 4.6).
    pub(super) fn of(count: usize) -> Self {
        let (mut points, mut weights) = (Vec::new(), Vec::new());
        for index in 0..count {
            let guess = (index as f64 + 0.75) / (count as f64 + 0.5);
            let mut x = (std::f64::consts::PI * guess).cos();
            let mut slope = 1.0;
            // From this guess the method settles in four or five steps at any count.
            for _ in 0..10 {
                let (value, next) = legendre(count, x);
                slope = next;
                x -= value / slope;
            }
            points.push(f64::midpoint(1.0, -x));
            weights.push(1.0 / ((1.0 - x * x) * slope * slope));
        }
        Self { points, weights }
    }
}

/// The Legendre polynomial of a degree, and its slope, at `x` inside of -1 to 1.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (0.0, 1.0);
    for k in 0..degree {
        let k = k as f64;
        let next = ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0);
        before = value;
        value = next;
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_integrated_exactly() {
        for count in 1..=33 {
            let rule = Rule::of(count);
            for power in 0..2 * count as i32 {
                let terms = rule.points.iter().zip(&rule.weights);
                let sum: f64 = terms.map(|(point, weight)| weight * point.powi(power)).sum();
                assert!((sum - 1.0 / f64::from(power + 1)).abs() < 1e-14, "{count} {power} {sum}");
            }
        }
    }
}
