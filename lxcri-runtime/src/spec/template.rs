//! The config.json that `lxcri spec` writes.

/// A shell on a terminal in a container with namespaces of its own, a read-only rootfs in `rootfs` and
/// few capabilities: a starting point that this and other runtimes run as it is.
pub const TEMPLATE: &str = include_str!("template.json");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Context, HostFacts, Namespaces, Report, check, parse};
    use std::path::Path;

    #[test]
    fn nothing_is_wrong_with_it() {
        let loaded = parse(TEMPLATE.as_bytes(), Path::new("template.json")).unwrap();
        let context = Context {
            host: HostFacts::plain(),
            systemd_cgroup: false,
            own_namespaces: Vec::new(),
        };
        assert_eq!(check(&loaded, &context), Report::default());
        let namespaces = Namespaces::of(&loaded.spec);
        assert!(namespaces.cgroup.is_new() && !namespaces.user.is_private());
        assert!(TEMPLATE.ends_with("}\n"));
    }
}
