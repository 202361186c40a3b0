//! The capabilities of capabilities(7): names, numbers, and the five sets of a process as masks.

use serde_json::Value;

use super::pointer::Pointer;
use super::problem::Problem;

/// Names in the kernel's order: the index is the number.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The highest number this runtime knows.
pub const LAST: u32 = NAMES.len() as u32 - 1;

/// The properties of `process.capabilities`.
pub(super) const SETS: [&str; 5] = [
    "bounding",
    "effective",
    "inheritable",
    "permitted",
    "ambient",
];

/// The number of a capability by its name in capabilities(7), capitals and prefix included.
pub fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|n| *n == name).map(|n| n as u32)
}

/// The five sets as masks: bit n is the capability with number n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySets {
    /// `bounding`
    pub bounding: u64,
    /// `effective`
    pub effective: u64,
    /// `inheritable`
    pub inheritable: u64,
    /// `permitted`
    pub permitted: u64,
    /// `ambient`
    pub ambient: u64,
}

/// Reads `process.capabilities` of a raw config.json; absent sets are empty. What cannot be granted
/// is left out with a warning: "Any value which cannot be mapped to a relevant kernel interface, or
/// cannot be granted otherwise MUST be logged as a warning by the runtime" (config.md).
///
/// `None` when the property is absent: then the process gets no capability, as in runc.
pub(super) fn sets(
    raw: &Value,
    grantable: &Grantable,
    warnings: &mut Vec<Problem>,
) -> Option<CapabilitySets> {
    let capabilities = raw.pointer("/process/capabilities")?.as_object()?;
    let masks = SETS.map(|set| {
        let at = Pointer::at("/process/capabilities").key(set);
        let names = capabilities.get(set).and_then(Value::as_array);
        let mut mask = 0u64;
        for (i, name) in names.into_iter().flatten().enumerate() {
            let name = name.as_str().unwrap_or("");
            match number(name) {
                None => warnings.push(Problem::new(
                    at.index(i),
                    format!("unknown capability {name:?}, ignored"),
                )),
                Some(n) => match grantable.refusal(n) {
                    None => mask |= 1 << n,
                    Some(why) => warnings.push(Problem::new(
                        at.index(i),
                        format!("{name} cannot be granted, ignored: {why}"),
                    )),
                },
            }
        }
        mask
    });
    let [bounding, effective, inheritable, permitted, ambient] = masks;
    Some(CapabilitySets {
        bounding,
        effective,
        inheritable,
        permitted,
        ambient,
    })
}

impl CapabilitySets {
    /// Takes out what the kernel would refuse to combine (capabilities(7), "Thread capability sets"),
    /// because capset(2) fails as a whole. Returns a remark for each set that lost something; the
    /// remark about `ambient` comes last and alone in its vector.
    pub(super) fn reconcile(&mut self) -> (Vec<Problem>, Vec<Problem>) {
        let (mut warnings, mut ambient) = (Vec::new(), Vec::new());
        let keep = |set: &'static str, mask: &mut u64, allowed: u64, why, out: &mut Vec<_>| {
            let lost = *mask & !allowed;
            *mask &= allowed;
            if lost != 0 {
                out.push(Problem::new(
                    Pointer::at("/process/capabilities").key(set),
                    format!("{} cannot be granted, ignored: {why}", names(lost)),
                ));
            }
        };
        keep(
            "effective",
            &mut self.effective,
            self.permitted,
            "not in the permitted set",
            &mut warnings,
        );
        keep(
            "inheritable",
            &mut self.inheritable,
            self.bounding,
            "not in the bounding set",
            &mut warnings,
        );
        keep(
            "ambient",
            &mut self.ambient,
            self.permitted & self.inheritable,
            "not in both the permitted and the inheritable set",
            &mut ambient,
        );
        (warnings, ambient)
    }
}

/// The names in a mask, for messages.
fn names(mask: u64) -> String {
    let names = NAMES.iter().enumerate();
    let named: Vec<&str> = names
        .filter(|(n, _)| mask & (1 << n) != 0)
        .map(|(_, name)| *name)
        .collect();
    named.join(", ")
}

/// Which capabilities a container's process can be given.
pub(super) struct Grantable {
    last: u32,
    bounding: u64,
}

impl Grantable {
    /// `last` is the highest capability that the kernel knows, `bounding` the mask of those that can be handed on.
    pub(super) fn new(last: u32, bounding: u64) -> Self {
        Self { last, bounding }
    }

    fn refusal(&self, number: u32) -> Option<&'static str> {
        if number > self.last {
            Some("the kernel does not know it")
        } else if self.bounding & (1 << number) == 0 {
            Some("the runtime does not have it")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(number("CAP_CHOWN"), Some(0));
        assert_eq!(number("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(number("CAP_SYSLOG"), Some(34));
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(number("chown"), None);
        assert_eq!(LAST, 40);
    }

    #[test]
    fn sets_become_masks_and_the_rest_warnings() {
        let raw = json!({"process": {"capabilities": {
            "bounding": ["CAP_CHOWN", "CAP_NEW_ONE", "CAP_SYS_RESOURCE", "CAP_BPF"],
            "ambient": ["CAP_KILL"],
        }}});
        let mut warnings = Vec::new();
        let sets_found = sets(&raw, &Grantable::new(38, !(1 << 24)), &mut warnings).unwrap();
        assert_eq!(sets_found.bounding, 1);
        assert_eq!(sets_found.ambient, 1 << 5);
        assert_eq!(sets_found.effective, 0);
        let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "/process/capabilities/bounding/1: unknown capability \"CAP_NEW_ONE\", ignored",
                "/process/capabilities/bounding/2: CAP_SYS_RESOURCE cannot be granted, ignored: \
                 the runtime does not have it",
                "/process/capabilities/bounding/3: CAP_BPF cannot be granted, ignored: \
                 the kernel does not know it",
            ]
        );

        let mut warnings = Vec::new();
        let own = sets(&raw, &Grantable::new(38, u64::MAX), &mut warnings).unwrap();
        assert_eq!(own.bounding, 1 | 1 << 24);
        assert_eq!(
            sets(&json!({}), &Grantable::new(38, u64::MAX), &mut warnings),
            None
        );
    }

    #[test]
    fn impossible_combinations_are_taken_out() {
        let mut sets = CapabilitySets {
            bounding: 0b0011,
            effective: 0b0101,
            inheritable: 0b1001,
            permitted: 0b0011,
            ambient: 0b0011,
        };
        let (warnings, notes) = sets.reconcile();
        assert_eq!(
            (sets.effective, sets.inheritable, sets.ambient),
            (0b0001, 0b0001, 0b0001)
        );
        let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "/process/capabilities/effective: CAP_DAC_READ_SEARCH cannot be granted, ignored: \
                 not in the permitted set",
                "/process/capabilities/inheritable: CAP_FOWNER cannot be granted, ignored: \
                 not in the bounding set",
            ]
        );
        assert_eq!(
            notes[0].to_string(),
            "/process/capabilities/ambient: CAP_DAC_OVERRIDE cannot be granted, ignored: \
             not in both the permitted and the inheritable set"
        );
        let before = sets;
        assert_eq!(sets.reconcile(), (vec![], vec![]));
        assert_eq!(sets, before);
    }
}
