//! `linux.resources.cpu`, cpuset included.

use oci_spec::runtime::LinuxCpu;

use super::super::record::Version;
use super::Collector;

const CONTROLLER: &str = "cpu";

pub(super) fn collect(cpu: &LinuxCpu, out: &mut Collector<'_>) {
    shares(cpu.shares().unwrap_or(0), out);
    match out.controllers.version(CONTROLLER) {
        Some(Version::V2) => bandwidth_v2(cpu, out),
        _ => bandwidth_v1(cpu, out),
    }
    // After quota and period: a burst cannot be more than the quota.
    if let Some(burst) = cpu.burst() {
        optional(out, "cpu/burst", burst, "cpu.cfs_burst_us", "cpu.max.burst");
    }
    realtime(cpu, out);
    match cpu.idle() {
        None => {}
        Some(value @ 0..=1) => optional(out, "cpu/idle", value as u64, "cpu.idle", "cpu.idle"),
        Some(_) => out.invalid("cpu/idle", "0 or 1"),
    }
    for (pointer, file, value) in [
        ("cpu/cpus", "cpuset.cpus", cpu.cpus()),
        ("cpu/mems", "cpuset.mems", cpu.mems()),
    ] {
        if let Some(value) = value.as_deref().filter(|v| !v.is_empty()) {
            out.set(pointer, "cpuset", file, file, value);
        }
    }
}

/// A number whose default is 0.
fn optional(out: &mut Collector<'_>, pointer: &str, value: u64, v1: &str, v2: &str) {
    if value == 0 {
        out.reset(pointer, CONTROLLER, v1, v2, ("0", "0"));
    } else {
        out.set(pointer, CONTROLLER, v1, v2, value);
    }
}

fn shares(shares: u64, out: &mut Collector<'_>) {
    const POINTER: &str = "cpu/shares";
    let version = out.controllers.version(CONTROLLER);
    match (shares, version) {
        (0, _) => {}
        // The kernel would take the nearest value it knows without a word.
        (1 | 262_145.., Some(Version::V1)) => out.invalid(POINTER, "2 to 262144"),
        _ => {
            let value = match version {
                Some(Version::V2) => weight(shares),
                _ => shares,
            };
            out.set(POINTER, CONTROLLER, "cpu.shares", "cpu.weight", value);
        }
    }
}

/// v1 shares (2 to 262144, usually 1024) as a v2 weight (1 to 10000, usually 100): the curve through the three pairs that
/// runc (since 1.3.2) and crun (since 1.23) use, so that the usual value stays the usual value.
fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            (10f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
        }
    }
}

fn bandwidth_v1(cpu: &LinuxCpu, out: &mut Collector<'_>) {
    if let Some(period) = cpu.period().filter(|p| *p != 0) {
        out.set_v1("cpu/period", CONTROLLER, "cpu.cfs_period_us", period);
    }
    match cpu.quota().unwrap_or(0) {
        0 => {}
        quota if quota < 0 => {
            out.reset("cpu/quota", CONTROLLER, "cpu.cfs_quota_us", "", ("-1", ""))
        }
        quota => out.set_v1("cpu/quota", CONTROLLER, "cpu.cfs_quota_us", quota),
    }
}

/// v2 has both in one file.
fn bandwidth_v2(cpu: &LinuxCpu, out: &mut Collector<'_>) {
    let (quota, period) = (cpu.quota().unwrap_or(0), cpu.period().unwrap_or(0));
    if quota == 0 && period == 0 {
        return;
    }
    let pointer = if quota == 0 {
        "cpu/period"
    } else {
        "cpu/quota"
    };
    let period = if period == 0 { 100_000 } else { period };
    if quota > 0 {
        out.set(
            pointer,
            CONTROLLER,
            "",
            "cpu.max",
            format!("{quota} {period}"),
        );
    } else {
        out.reset(
            pointer,
            CONTROLLER,
            "",
            "cpu.max",
            ("", &format!("max {period}")),
        );
    }
}

fn realtime(cpu: &LinuxCpu, out: &mut Collector<'_>) {
    if let Some(period) = cpu.realtime_period().filter(|p| *p != 0) {
        out.set_v1("cpu/realtimePeriod", CONTROLLER, "cpu.rt_period_us", period);
    }
    if let Some(runtime) = cpu.realtime_runtime().filter(|r| *r != 0) {
        out.set_v1(
            "cpu/realtimeRuntime",
            CONTROLLER,
            "cpu.rt_runtime_us",
            runtime,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn shares_become_weights_on_the_known_curve() {
        for (shares, want) in [
            (1, 1),
            (2, 1),
            (1024, 100),
            (262_144, 10_000),
            (999_999, 10_000),
            (512, 59),
        ] {
            assert_eq!(weight(shares), want, "{shares}");
        }
        assert!((2..262_144).step_by(97).map(weight).is_sorted());
    }
}
