//! `linux.resources.memory`.

use oci_spec::runtime::LinuxMemory;

use super::super::record::Version;
use super::{Collector, Setting};

const CONTROLLER: &str = "memory";

pub(super) fn collect(memory: &LinuxMemory, out: &mut Collector<'_>) {
    for (field, value) in [
        ("memory/limit", memory.limit()),
        ("memory/reservation", memory.reservation()),
        ("memory/swap", memory.swap()),
        ("memory/kernelTCP", memory.kernel_tcp()),
    ] {
        if value.is_some_and(|v| v < -1) {
            return out.invalid(field, "a number of bytes or -1");
        }
    }
    let limit = memory.limit().unwrap_or(0);
    let swap = memory.swap().unwrap_or(0);
    if let Some(setting) = bytes(
        out,
        "memory/limit",
        limit,
        "memory.limit_in_bytes",
        "memory.max",
    ) && memory.check_before_update() == Some(true)
    {
        setting.not_below = Some(match setting.version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        });
    }
    match out.controllers.version(CONTROLLER) {
        Some(Version::V2) => swap_v2(limit, swap, out),
        _ => {
            bytes(out, "memory/swap", swap, "memory.memsw.limit_in_bytes", "");
        }
    }
    bytes(
        out,
        "memory/reservation",
        memory.reservation().unwrap_or(0),
        "memory.soft_limit_in_bytes",
        "memory.low",
    );
    kernel(memory, out);
    match memory.swappiness() {
        None => {}
        Some(value @ 0..=100) => {
            out.set_v1("memory/swappiness", CONTROLLER, "memory.swappiness", value)
        }
        Some(_) => out.invalid("memory/swappiness", "0 to 100"),
    }
    if memory.disable_oom_killer() == Some(true) {
        out.set_v1(
            "memory/disableOOMKiller",
            CONTROLLER,
            "memory.oom_control",
            1,
        );
    }
    if memory.use_hierarchy() == Some(false) {
        // Since Linux 5.11 v1 is always hierarchical, as v2 is.
        out.unsupported(
            "memory/useHierarchy",
            "the kernel always accounts for sub-cgroups",
        );
    }
}

/// A number of bytes: 0 is not set, -1 no limit. Returns the setting of a real limit.
fn bytes<'a>(
    out: &'a mut Collector<'_>,
    pointer: &str,
    value: i64,
    v1: &str,
    v2: &str,
) -> Option<&'a mut Setting> {
    match value {
        0 => None,
        -1 => {
            out.reset(pointer, CONTROLLER, v1, v2, ("-1", "max"));
            None
        }
        _ => out.set(pointer, CONTROLLER, v1, v2, value),
    }
}

/// The spec counts memory and swap together, v2 swap alone.
fn swap_v2(limit: i64, swap: i64, out: &mut Collector<'_>) {
    const POINTER: &str = "memory/swap";
    const FILE: &str = "memory.swap.max";
    match (limit, swap) {
        // Unlimited memory without a word about swap has meant both since v1.
        (-1, 0) | (_, -1) => out.reset(POINTER, CONTROLLER, "", FILE, ("", "max")),
        (_, 0) => {}
        (0 | -1, _) => out.invalid(POINTER, "needs memory.limit: cgroup v2 limits swap alone"),
        (limit, swap) if swap < limit => {
            out.invalid(POINTER, "less than memory.limit, which it includes")
        }
        (limit, swap) => {
            out.set(POINTER, CONTROLLER, "", FILE, swap - limit);
        }
    }
}

fn kernel(memory: &LinuxMemory, out: &mut Collector<'_>) {
    // The spec still has the field, and so must its refusal.
    #[allow(deprecated)]
    let kernel = memory.kernel().unwrap_or(0);
    if kernel != 0 && kernel != -1 {
        // Linux 5.16 and later take a value in memory.kmem.limit_in_bytes and ignore it.
        out.unsupported(
            "memory/kernel",
            "the kernel has no limit for its own memory any more",
        );
    }
    match memory.kernel_tcp().unwrap_or(0) {
        0 => {}
        -1 => out.reset(
            "memory/kernelTCP",
            CONTROLLER,
            "memory.kmem.tcp.limit_in_bytes",
            "memory.kmem.tcp.limit_in_bytes",
            ("-1", "-1"),
        ),
        value => out.set_v1(
            "memory/kernelTCP",
            CONTROLLER,
            "memory.kmem.tcp.limit_in_bytes",
            value,
        ),
    }
}
