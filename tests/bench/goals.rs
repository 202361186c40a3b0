//! Ratios, and the project's goals: printed beside the figures, never a reason to fail.

/// A ratio of medians as text, `-` where one of them was not measured.
pub fn ratio(own: f64, other: f64) -> String {
    let ratio = own / other;
    match ratio.is_finite() {
        true => format!("{ratio:.2}"),
        false => "-".into(),
    }
}

/// Prints a goal of at most `limit` and whether `figure` meets it. A figure that could not be measured is said to be so.
pub fn at_most(what: &str, limit: f64, figure: Option<f64>) {
    verdict(&format!("{what} <= {limit:.2}"), figure, |f| f <= limit);
}

/// Prints a goal of less than `limit`.
pub fn below(what: &str, limit: f64, figure: Option<f64>) {
    verdict(&format!("{what} < {limit:.2}"), figure, |f| f < limit);
}

fn verdict(goal: &str, figure: Option<f64>, met: impl Fn(f64) -> bool) {
    match figure.filter(|f| f.is_finite()) {
        Some(f) => println!(
            "  goal: {goal:<50} {f:>7.2}  {}",
            if met(f) { "met" } else { "not met" }
        ),
        None => println!("  goal: {goal:<50}       -  not measured"),
    }
}
