//! Which properties of a unit say the same as the cgroup's files (systemd.resource-control(5)).

use super::super::error::Error;
use super::super::resources::Setting;
use super::tools;

/// Tells systemd about limits that it would otherwise reset to its defaults.
pub(in super::super) fn set_properties(unit: &str, settings: &[Setting]) -> Result<(), Error> {
    let properties = properties(settings);
    if properties.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["set-property", "--runtime", "--", unit];
    arguments.extend(properties.iter().map(String::as_str));
    tools::run("systemctl", &arguments)
}

fn properties(settings: &[Setting]) -> Vec<String> {
    settings
        .iter()
        .flat_map(|setting| &setting.choices)
        .flat_map(|choice| property(&choice.file, &choice.value))
        .collect()
}

/// systemd knows no other files, or (io.max) derives them from something else and leaves alone what it does not know.
fn property(file: &str, value: &str) -> Vec<String> {
    let bytes = |name: &str| {
        let value = if value == "max" { "infinity" } else { value };
        vec![format!("{name}={value}")]
    };
    match file {
        "memory.max" => bytes("MemoryMax"),
        "memory.high" => bytes("MemoryHigh"),
        "memory.low" => bytes("MemoryLow"),
        "memory.min" => bytes("MemoryMin"),
        "memory.swap.max" => bytes("MemorySwapMax"),
        "pids.max" => bytes("TasksMax"),
        "cpu.weight" => vec![format!("CPUWeight={value}")],
        "cpu.idle" if value == "1" => vec!["CPUWeight=idle".to_owned()],
        "cpu.max" => cpu_max(value),
        "cpuset.cpus" => vec![format!("AllowedCPUs={value}")],
        "cpuset.mems" => vec![format!("AllowedMemoryNodes={value}")],
        // A weight for one device has two words, and systemd wants a path for it.
        "io.weight" if !value.contains([' ', ':']) => vec![format!("IOWeight={value}")],
        _ => Vec::new(),
    }
}

/// systemd counts in whole hundredths of a processor; rounded up, as runc does.
fn cpu_max(value: &str) -> Vec<String> {
    let mut words = value.split_whitespace();
    let (quota, period) = (
        words.next().unwrap_or("max"),
        words.next().unwrap_or("100000"),
    );
    let quota = match (quota.parse::<u64>(), period.parse::<u64>()) {
        (Ok(quota), Ok(period @ 1..)) => {
            format!("CPUQuota={}%", quota.saturating_mul(100).div_ceil(period))
        }
        _ => "CPUQuota=".to_owned(),
    };
    vec![quota, format!("CPUQuotaPeriodSec={period}us")]
}

#[cfg(test)]
mod tests {
    use super::super::super::resources::{Controllers, settings};
    use super::*;

    fn of(json: &str) -> Vec<String> {
        let controllers = Controllers {
            v1: vec![],
            v2: ["memory", "cpu", "cpuset", "io", "pids"]
                .map(str::to_owned)
                .to_vec(),
            unified: true,
        };
        let (settings, problems) = settings(&serde_json::from_str(json).unwrap(), &controllers);
        assert_eq!(problems, []);
        properties(&settings)
    }

    #[test]
    fn what_systemd_knows_it_is_told() {
        assert_eq!(
            of(
                r#"{"memory":{"limit":1000,"swap":-1,"reservation":500},"pids":{"limit":-1},
                "cpu":{"shares":1024,"quota":33300,"period":100000,"cpus":"0-1,3","mems":"0"},"blockIO":{"weight":1000}}"#
            ),
            [
                "MemoryMax=1000",
                "MemorySwapMax=infinity",
                "MemoryLow=500",
                "CPUWeight=100",
                "CPUQuota=34%",
                "CPUQuotaPeriodSec=100000us",
                "AllowedCPUs=0-1,3",
                "AllowedMemoryNodes=0",
                "IOWeight=10000",
                "TasksMax=infinity",
            ]
        );
        assert_eq!(
            of(r#"{"cpu":{"idle":1},"unified":{"memory.high":"max","cpu.max":"max"}}"#),
            [
                "CPUWeight=idle",
                "CPUQuota=",
                "CPUQuotaPeriodSec=100000us",
                "MemoryHigh=infinity"
            ]
        );
    }

    #[test]
    fn what_it_does_not_know_stays_a_file() {
        assert_eq!(
            of(
                r#"{"cpu":{"burst":5,"idle":0},"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":100}],
                "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}]}}"#
            ),
            Vec::<String>::new()
        );
    }
}
