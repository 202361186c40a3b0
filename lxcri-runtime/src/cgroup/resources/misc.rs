//! `linux.resources`: pids, hugepageLimits, network, rdma and unified.

use std::collections::BTreeMap;

use oci_spec::runtime::LinuxResources;

use super::super::record::Version;
use super::{Collector, Missing, escape};

pub(super) fn collect(resources: &LinuxResources, out: &mut Collector<'_>) {
    match resources.pids().map_or(0, |pids| pids.limit()) {
        0 => {}
        limit if limit < 0 => {
            out.reset("pids/limit", "pids", "pids.max", "pids.max", ("max", "max"))
        }
        limit => {
            out.set("pids/limit", "pids", "pids.max", "pids.max", limit);
        }
    }
    for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        huge_pages(index, limit.page_size(), limit.limit(), out);
    }
    if let Some(network) = resources.network() {
        if let Some(class) = network.class_id().filter(|class| *class != 0) {
            out.set_v1("network/classID", "net_cls", "net_cls.classid", class);
        }
        for (index, priority) in network.priorities().iter().flatten().enumerate() {
            let pointer = format!("network/priorities/{index}");
            let value = format!("{} {}", priority.name(), priority.priority());
            out.set_v1(&pointer, "net_prio", "net_prio.ifpriomap", value);
        }
    }
    // Sorted, so that two runs do the same.
    for (device, limits) in resources
        .rdma()
        .iter()
        .flatten()
        .collect::<BTreeMap<_, _>>()
    {
        let mut value = device.clone();
        for (name, limit) in [
            ("hca_handle", limits.hca_handles()),
            ("hca_object", limits.hca_objects()),
        ] {
            if let Some(limit) = limit {
                value.push_str(&format!(" {name}={limit}"));
            }
        }
        if value != *device {
            let pointer = format!("rdma/{}", escape(device));
            out.set(&pointer, "rdma", "rdma.max", "rdma.max", value);
        }
    }
    for (file, value) in resources
        .unified()
        .iter()
        .flatten()
        .collect::<BTreeMap<_, _>>()
    {
        unified(file, value, out);
    }
}

/// Each page size has its own file, and a second one for reservations where the kernel has it.
fn huge_pages(index: usize, page_size: &str, limit: i64, out: &mut Collector<'_>) {
    let pointer = format!("hugepageLimits/{index}/pageSize");
    let digits = page_size.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let well_formed = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(&page_size[digits.len()..], "KB" | "MB" | "GB");
    if !well_formed {
        return out.invalid(&pointer, "a number and KB, MB or GB");
    }
    if limit < 0 {
        return out.invalid(&format!("hugepageLimits/{index}/limit"), "negative");
    }
    for (rsvd, missing) in [("", Missing::Refuse), (".rsvd", Missing::Skip)] {
        let Some(setting) = out.set(
            &pointer,
            "hugetlb",
            &format!("hugetlb.{page_size}{rsvd}.limit_in_bytes"),
            &format!("hugetlb.{page_size}{rsvd}.max"),
            limit,
        ) else {
            return;
        };
        setting.missing = missing;
    }
}

/// A file of the v2 hierarchy by its name. Each line is one request to the kernel.
fn unified(file: &str, value: &str, out: &mut Collector<'_>) {
    let pointer = format!("unified/{}", escape(file));
    let Some((controller, _)) = file
        .split_once('.')
        .filter(|(c, name)| !c.is_empty() && !name.is_empty())
    else {
        return out.invalid(&pointer, "not the name of a cgroup file");
    };
    if file.contains(['/', '\0']) {
        return out.invalid(&pointer, "not the name of a cgroup file");
    }
    if controller == "cgroup" && !file.starts_with("cgroup.max.") {
        return out.unsupported(&pointer, "this file manages the cgroup and limits nothing");
    }
    if !out.controllers.unified {
        return out.unsupported(&pointer, "this machine has no cgroup v2 hierarchy");
    }
    if controller != "cgroup" && out.controllers.v2.iter().all(|c| c != controller) {
        return out.unsupported(
            &pointer,
            format!("cgroup v2 has no {controller} controller on this machine"),
        );
    }
    for line in value.lines().filter(|line| !line.is_empty()) {
        out.push(
            &pointer,
            Version::V2,
            controller,
            &[(file, line.to_owned())],
        );
    }
}
