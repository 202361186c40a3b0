//! `linux.resources.blockIO`.

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice};

use super::super::record::Version;
use super::Collector;

const CONTROLLER: &str = "blkio";

pub(super) fn collect(block_io: &LinuxBlockIo, out: &mut Collector<'_>) {
    if let Some(weight) = valid(block_io.weight(), "blockIO/weight", out) {
        weights(
            out,
            "blockIO/weight",
            [
                ("blkio.weight", weight.to_string()),
                ("blkio.bfq.weight", weight.to_string()),
            ],
            [
                ("io.bfq.weight", weight.to_string()),
                ("io.weight", linear(weight).to_string()),
            ],
        );
    }
    if let Some(weight) = valid(block_io.leaf_weight(), "blockIO/leafWeight", out) {
        out.set_v1(
            "blockIO/leafWeight",
            CONTROLLER,
            "blkio.leaf_weight",
            weight,
        );
    }
    for (index, device) in block_io.weight_device().iter().flatten().enumerate() {
        let number = format!("{}:{}", device.major(), device.minor());
        let pointer = format!("blockIO/weightDevice/{index}/weight");
        if let Some(weight) = valid(device.weight(), &pointer, out) {
            weights(
                out,
                &pointer,
                [
                    ("blkio.weight_device", format!("{number} {weight}")),
                    ("blkio.bfq.weight_device", format!("{number} {weight}")),
                ],
                [
                    ("io.bfq.weight", format!("{number} {weight}")),
                    ("io.weight", format!("{number} {}", linear(weight))),
                ],
            );
        }
        let pointer = format!("blockIO/weightDevice/{index}/leafWeight");
        if let Some(weight) = valid(device.leaf_weight(), &pointer, out) {
            out.set_v1(
                &pointer,
                CONTROLLER,
                "blkio.leaf_weight_device",
                format!("{number} {weight}"),
            );
        }
    }
    for (field, devices, v1, v2) in [
        (
            "throttleReadBpsDevice",
            block_io.throttle_read_bps_device(),
            "read_bps",
            "rbps",
        ),
        (
            "throttleWriteBpsDevice",
            block_io.throttle_write_bps_device(),
            "write_bps",
            "wbps",
        ),
        (
            "throttleReadIOPSDevice",
            block_io.throttle_read_iops_device(),
            "read_iops",
            "riops",
        ),
        (
            "throttleWriteIOPSDevice",
            block_io.throttle_write_iops_device(),
            "write_iops",
            "wiops",
        ),
    ] {
        for (index, device) in devices.iter().flatten().enumerate() {
            throttle(device, &format!("blockIO/{field}/{index}"), v1, v2, out);
        }
    }
}

/// A weight of the spec, 10 to 1000; 0 is not set.
fn valid(weight: Option<u16>, pointer: &str, out: &mut Collector<'_>) -> Option<u16> {
    match weight {
        None | Some(0) => None,
        Some(weight @ 10..=1000) => Some(weight),
        Some(_) => {
            out.invalid(pointer, "10 to 1000");
            None
        }
    }
}

/// 10 to 1000 spread over 1 to 10000, the range of io.weight.
fn linear(weight: u16) -> u32 {
    1 + (u32::from(weight) - 10) * 9999 / 990
}

fn weights(
    out: &mut Collector<'_>,
    pointer: &str,
    v1: [(&str, String); 2],
    v2: [(&str, String); 2],
) {
    if let Some(version) = out.need(CONTROLLER, pointer) {
        let choices = match version {
            Version::V1 => v1,
            Version::V2 => v2,
        };
        out.push(pointer, version, CONTROLLER, &choices);
    }
}

fn throttle(
    device: &LinuxThrottleDevice,
    pointer: &str,
    v1: &str,
    v2: &str,
    out: &mut Collector<'_>,
) {
    let (number, rate) = (
        format!("{}:{}", device.major(), device.minor()),
        device.rate(),
    );
    if v1.ends_with("iops") && rate > u64::from(u32::MAX) {
        // v1 would cut it to its lower half without a word.
        return out.invalid(
            &format!("{pointer}/rate"),
            "more than 4294967295 operations per second",
        );
    }
    // 0 takes a limit away: v1 spells it 0, v2 max.
    let value = match (out.controllers.version(CONTROLLER), rate) {
        (Some(Version::V2), 0) => format!("{number} {v2}=max"),
        (Some(Version::V2), _) => format!("{number} {v2}={rate}"),
        _ => format!("{number} {rate}"),
    };
    out.set(
        pointer,
        CONTROLLER,
        &format!("blkio.throttle.{v1}_device"),
        "io.max",
        value,
    );
}
