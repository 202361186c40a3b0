//! Times for people, at most seven characters for a duration.

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// `0.12 ms`, `1.23 ms`, `12.3 ms`, `123 ms`, `1.23 s`, `12.3 s`, `3m 07s`, `2h 05m`, `3d 14h`, `1234 d`. Digits that do
/// not fit are cut off, so that no duration looks longer than it was.
pub fn duration(ns: u64) -> String {
    let seconds = ns / SECOND;
    let minutes = seconds / 60;
    let hours = minutes / 60;
    let days = hours / 24;
    match seconds {
        0 => three_digits(ns, MS, "ms"),
        1..60 => three_digits(ns, SECOND, "s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ if days < 100 => format!("{days}d {:02}h", hours % 24),
        _ if days < 10_000 => format!("{days} d"),
        _ => ">9999 d".to_owned(),
    }
}

fn three_digits(ns: u64, unit: u64, name: &str) -> String {
    let whole = ns / unit;
    match whole {
        0..10 => format!("{whole}.{:02} {name}", ns % unit / (unit / 100)),
        10..100 => format!("{whole}.{} {name}", ns % unit / (unit / 10)),
        _ => format!("{whole} {name}"),
    }
}

/// `2023-11-14 22:13:20.123 UTC` for nanoseconds since the epoch.
pub fn utc(ns: u64) -> String {
    let seconds = ns / SECOND;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = date(seconds / 86_400);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03} UTC",
        ns % SECOND / MS
    )
}

/// Year, month and day of the Gregorian calendar. Years are counted from March, which puts the leap day at their end.
fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    /// From the first of March of the year 0 to the epoch.
    const TO_EPOCH: u64 = 719_468;
    let days = days_since_epoch + TO_EPOCH;
    let of_era = days % DAYS_OF_400_YEARS;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months have 153 days.
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = days / DAYS_OF_400_YEARS * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let expected = [
            (0, "0.00 ms"),
            (123_456, "0.12 ms"),
            (9_999_999, "9.99 ms"),
            (12_345_678, "12.3 ms"),
            (999_999_999, "999 ms"),
            (1_234_000_000, "1.23 s"),
            (59_999_000_000, "59.9 s"),
            (187 * SECOND, "3m 07s"),
            (7500 * SECOND, "2h 05m"),
            ((3 * 24 + 14) * 3600 * SECOND, "3d 14h"),
            (86_400 * 1234 * SECOND, "1234 d"),
            (u64::MAX, ">9999 d"),
        ];
        for (ns, text) in expected {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn dates_follow_the_calendar() {
        let expected = [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_399, "2000-02-28 23:59:59.000 UTC"),
            (951_782_400, "2000-02-29 00:00:00.000 UTC"),
            (951_868_800, "2000-03-01 00:00:00.000 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20.000 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59.000 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00.000 UTC"),
        ];
        for (seconds, text) in expected {
            assert_eq!(utc(seconds * SECOND), text);
        }
        assert_eq!(
            utc(1_700_000_000_123_999_999),
            "2023-11-14 22:13:20.123 UTC"
        );
    }
}
