//! The table of phases: order, names, state status, namespace and failure policy.
//!
//! Nothing else in the workspace repeats these facts.
//! <https://github.com/opencontainers/runtime-spec/blob/main/config.md#posix-platform-hooks>

/// Where the hooks of a phase run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// In the namespaces of the runtime.
    Runtime,
    /// In the namespaces of the container.
    Container,
}

macro_rules! phases {
    ($($(#[$doc:meta])* $phase:ident $oci_name:literal $dir_name:literal $status:literal $namespace:ident $goes_on:literal)*) => {
        /// One of the six phases of OCI hooks, in the order in which they run in a container's life.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Phase {
            $($(#[$doc])* $phase,)*
        }

        impl Phase {
            /// All phases in the order of a container's life.
            pub const ALL: [Phase; 6] = [$(Phase::$phase,)*];

            /// The key of the phase in `config.json`'s `hooks` object, such as `createRuntime`.
            pub const fn oci_name(self) -> &'static str {
                match self { $(Phase::$phase => $oci_name,)* }
            }

            /// The name of the phase's directory in the hook tree, such as `create-runtime`.
            pub const fn dir_name(self) -> &'static str {
                match self { $(Phase::$phase => $dir_name,)* }
            }

            /// The `status` in the state that a hook of this phase reads.
            pub const fn status(self) -> &'static str {
                match self { $(Phase::$phase => $status,)* }
            }

            /// The namespaces in which hooks of this phase run.
            pub const fn namespace(self) -> Namespace {
                match self { $(Phase::$phase => Namespace::$namespace,)* }
            }

            /// Whether the hooks after a failed one still run. True for poststop only.
            pub const fn continue_on_failure(self) -> bool {
                match self { $(Phase::$phase => $goes_on,)* }
            }
        }
    };
}

#[rustfmt::skip]
phases! {
    // Phase          OCI name          on disk            status     namespace  goes on after a failure
    /// `prestart`, deprecated by the spec but used by nearly everyone.
    Prestart          "prestart"        "prestart"         "creating" Runtime    false
    /// `createRuntime`, right after the prestart hooks.
    CreateRuntime     "createRuntime"   "create-runtime"   "creating" Runtime    false
    /// `createContainer`, in the container's namespaces before `pivot_root`.
    CreateContainer   "createContainer" "create-container" "creating" Container  false
    /// `startContainer`, inside the container before the user's program.
    StartContainer    "startContainer"  "start-container"  "created"  Container  false
    /// `poststart`, after the user's program has been executed.
    Poststart         "poststart"       "poststart"        "running"  Runtime    false
    /// `poststop`, after the container is gone.
    Poststop          "poststop"        "poststop"         "stopped"  Runtime    true
}

impl Phase {
    /// The phase with this key in `config.json`.
    pub fn from_oci_name(name: &[u8]) -> Option<Phase> {
        Phase::ALL
            .into_iter()
            .find(|phase| phase.oci_name().as_bytes() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_phase() {
        for phase in Phase::ALL {
            assert_eq!(
                Phase::from_oci_name(phase.oci_name().as_bytes()),
                Some(phase)
            );
        }
        assert_eq!(Phase::from_oci_name(b"create-runtime"), None);
        assert_eq!(Phase::from_oci_name(b""), None);
    }

    #[test]
    fn table_is_what_the_spec_says() {
        let status = Phase::ALL.map(Phase::status);
        assert_eq!(
            status,
            [
                "creating", "creating", "creating", "created", "running", "stopped"
            ]
        );
        let inside = Phase::ALL.map(|phase| phase.namespace() == Namespace::Container);
        assert_eq!(inside, [false, false, true, true, false, false]);
        let goes_on = Phase::ALL.map(Phase::continue_on_failure);
        assert_eq!(goes_on, [false, false, false, false, false, true]);
        assert!(Phase::ALL.is_sorted());
    }
}
