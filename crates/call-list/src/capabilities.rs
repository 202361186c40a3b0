//! The capability sets of a process.

use crate::list::List;

/// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h: two words of 32 bits for each set.
const VERSION_3: u32 = 0x2008_0522;

/// Capability sets as masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that can be in the bounding set when init begins.
    pub known: u64,
    /// Those that stay there.
    pub bounding: u64,
    /// The effective set.
    pub effective: u64,
    /// The permitted set.
    pub permitted: u64,
    /// The inheritable set.
    pub inheritable: u64,
    /// The ambient set.
    pub ambient: u64,
}

fn bits(mask: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |bit| mask >> bit & 1 == 1)
}

/// Drops from the bounding set, and lets the permitted set survive the change of the user.
pub(crate) fn begin(list: &mut List, capabilities: &Capabilities) {
    let keep = [libc::PR_SET_KEEPCAPS.into(), 1.into()];
    list.call(libc::SYS_prctl, &keep, "prctl(PR_SET_KEEPCAPS, 1)");
    for capability in bits(capabilities.known & !capabilities.bounding) {
        let drop = [libc::PR_CAPBSET_DROP.into(), capability.into()];
        let text = format!("prctl(PR_CAPBSET_DROP, {})", capability);
        list.call(libc::SYS_prctl, &drop, text);
    }
}

/// Sets the others. The user has been changed.
pub(crate) fn finish(list: &mut List, capabilities: &Capabilities) {
    let header = list.words(&[VERSION_3.into()]);
    let sets = [
        capabilities.effective,
        capabilities.permitted,
        capabilities.inheritable,
    ];
    let low = sets.map(|set| (set as u32).to_ne_bytes());
    let high = sets.map(|set| ((set >> 32) as u32).to_ne_bytes());
    let data = list.bytes([low, high].as_flattened().as_flattened());
    let [effective, permitted, inheritable] = sets;
    let text = format!("capset({effective:#x}, {permitted:#x}, {inheritable:#x})");
    list.call(libc::SYS_capset, &[header.into(), data.into()], text);
    let ambient = |operation: i32, capability: u32| {
        [
            libc::PR_CAP_AMBIENT.into(),
            operation.into(),
            capability.into(),
        ]
    };
    list.call(
        libc::SYS_prctl,
        &ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0),
        "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)",
    );
    for capability in bits(capabilities.ambient) {
        let raise = ambient(libc::PR_CAP_AMBIENT_RAISE, capability);
        let text = format!(
            "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, {})",
            capability
        );
        list.call(libc::SYS_prctl, &raise, text);
    }
}
