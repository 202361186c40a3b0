//! Medians and percentiles.

use std::time::Duration;

/// Values of one figure, in the order in which they were measured.
#[derive(Default, Clone)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Adds a duration, in milliseconds.
    pub fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e3);
    }

    /// Adds a value.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The values of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The value below which `part` (0 to 1) of the values lie: the nearest one, NaN of no values.
    pub fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (part * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(place).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn percentiles_are_measured_values() {
        let mut sample = Sample::default();
        for value in [5.0, 1.0, 4.0, 2.0, 3.0] {
            sample.push(value);
        }
        assert_eq!(sample.median(), 3.0);
        assert_eq!((sample.at(0.1), sample.at(0.9)), (1.0, 5.0));
        assert_eq!((sample.at(0.0), sample.at(1.0)), (1.0, 5.0));
        assert!(Sample::default().median().is_nan());
    }
}
