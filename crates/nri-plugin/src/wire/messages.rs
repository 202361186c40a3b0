//! The messages of NRI, reduced to what a plugin that injects hooks needs.
//!
//! Fields that are not here are skipped when they come and absent in what is sent. The numbers are those of package
//! nri.pkg.api.v1alpha1, the same in every version of the protocol so far.

use std::collections::BTreeMap;

use prost::Message;

/// What the engine serves.
pub const RUNTIME_SERVICE: &str = "nri.pkg.api.v1alpha1.Runtime";
/// What a plugin serves.
pub const PLUGIN_SERVICE: &str = "nri.pkg.api.v1alpha1.Plugin";

/// The bit of CreateContainer, which is event 4, in [`ConfigureResponse::events`].
pub const EVENT_CREATE_CONTAINER: i32 = 1 << (4 - 1);

/// Runtime.RegisterPlugin; the response is empty.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RegisterPluginRequest {
    /// Name without the index.
    #[prost(string, tag = "1")]
    pub plugin_name: String,
    /// Two digits; plugins of a lower index come first.
    #[prost(string, tag = "2")]
    pub plugin_idx: String,
}

/// Plugin.Configure.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfigureRequest {
    /// Content of the configuration file of a pre-installed plugin.
    #[prost(string, tag = "1")]
    pub config: String,
    /// Such as `containerd`.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// Of the engine.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
    /// Milliseconds; 0 from engines that do not tell.
    #[prost(int64, tag = "5")]
    pub request_timeout: i64,
}

/// The answer to [`ConfigureRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfigureResponse {
    /// A mask of events. 0 would mean all of them.
    #[prost(int32, tag = "2")]
    pub events: i32,
}

/// Plugin.Synchronize: what exists already, which a plugin can no longer give hooks.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SynchronizeRequest {
    /// Whether another part follows.
    #[prost(bool, tag = "3")]
    pub more: bool,
}

/// The answer to [`SynchronizeRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SynchronizeResponse {
    /// The request's `more`; the engine drops a plugin that answers otherwise.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// Plugin.CreateContainer.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CreateContainerRequest {
    /// The container's pod.
    #[prost(message, optional, tag = "1")]
    pub pod: Option<PodSandbox>,
    /// The container that is about to be created.
    #[prost(message, optional, tag = "2")]
    pub container: Option<Container>,
}

/// The answer to [`CreateContainerRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CreateContainerResponse {
    /// Absent when nothing shall change.
    #[prost(message, optional, tag = "1")]
    pub adjust: Option<ContainerAdjustment>,
}

/// A pod.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PodSandbox {
    /// Name of the pod.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Its namespace in Kubernetes.
    #[prost(string, tag = "4")]
    pub namespace: String,
    /// Its annotations.
    #[prost(btree_map = "string, string", tag = "6")]
    pub annotations: BTreeMap<String, String>,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Container {
    /// The engine's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Name within the pod.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Its annotations.
    #[prost(btree_map = "string, string", tag = "6")]
    pub annotations: BTreeMap<String, String>,
    /// Argument vector of its process.
    #[prost(string, repeated, tag = "7")]
    pub args: Vec<String>,
    /// All its mounts.
    #[prost(message, repeated, tag = "9")]
    pub mounts: Vec<Mount>,
}

/// A mount.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Mount {
    /// Path in the container.
    #[prost(string, tag = "1")]
    pub destination: String,
    /// Type of the file system, or `bind`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// Path on the host for a bind mount.
    #[prost(string, tag = "3")]
    pub source: String,
    /// Options as in config.json.
    #[prost(string, repeated, tag = "4")]
    pub options: Vec<String>,
}

/// What shall be different about a container.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerAdjustment {
    /// Hooks to append.
    #[prost(message, optional, tag = "5")]
    pub hooks: Option<Hooks>,
}

/// Hooks by phase.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Hooks {
    /// Deprecated by the runtime-spec.
    #[prost(message, repeated, tag = "1")]
    pub prestart: Vec<Hook>,
    /// In the runtime namespace, before the pivot.
    #[prost(message, repeated, tag = "2")]
    pub create_runtime: Vec<Hook>,
    /// In the container's namespaces, before the pivot.
    #[prost(message, repeated, tag = "3")]
    pub create_container: Vec<Hook>,
    /// In the container, before its process.
    #[prost(message, repeated, tag = "4")]
    pub start_container: Vec<Hook>,
    /// After the start.
    #[prost(message, repeated, tag = "5")]
    pub poststart: Vec<Hook>,
    /// After the end.
    #[prost(message, repeated, tag = "6")]
    pub poststop: Vec<Hook>,
}

/// One hook.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Hook {
    /// Absolute path of the executable on the host.
    #[prost(string, tag = "1")]
    pub path: String,
    /// The whole argument vector.
    #[prost(string, repeated, tag = "2")]
    pub args: Vec<String>,
    /// `NAME=value` strings. An empty list is the same as none to the engine.
    #[prost(string, repeated, tag = "3")]
    pub env: Vec<String>,
    /// Absent without a timeout.
    #[prost(message, optional, tag = "4")]
    pub timeout: Option<OptionalInt>,
}

/// A number that may be absent.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct OptionalInt {
    /// Seconds, for a hook's timeout.
    #[prost(int64, tag = "1")]
    pub value: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_an_adjustment() {
        let hook = Hook {
            path: "/h".into(),
            args: vec!["h".into(), "".into()],
            env: vec!["A=1".into()],
            timeout: Some(OptionalInt { value: 5 }),
        };
        let response = CreateContainerResponse {
            adjust: Some(ContainerAdjustment {
                hooks: Some(Hooks {
                    create_runtime: vec![hook],
                    poststop: vec![Hook::default()],
                    ..Hooks::default()
                }),
            }),
        };
        // adjust 1 { hooks 5 { create_runtime 2 { path 1, args 2 twice, env 3, timeout 4 { value 1 } }, poststop 6 {} } }
        let hook = b"\x0a\x02/h\x12\x01h\x12\x00\x1a\x03A=1\x22\x02\x08\x05";
        let hooks = [b"\x12\x12".as_slice(), hook, b"\x32\x00"].concat();
        assert_eq!(hooks.len(), 22);
        let expected = [b"\x0a\x18\x2a\x16".as_slice(), &hooks].concat();
        assert_eq!(response.encode_to_vec(), expected);
    }

    #[test]
    fn fields_of_newer_versions_are_skipped() {
        // Field 99 as number and as text, in the message and in the container (2) with id (1) and a mount (9).
        let unknown = b"\x98\x06\x01\x9a\x06\x01x";
        let mount = b"\x4a\x0a\x0a\x02/d\x12\x04bind";
        let container = [unknown.as_slice(), b"\x0a\x02c1", mount].concat();
        assert_eq!(container.len(), 23);
        let request = [unknown.as_slice(), b"\x12\x17", &container].concat();
        let container = CreateContainerRequest::decode(&*request)
            .unwrap()
            .container
            .unwrap();
        assert_eq!(container.id, "c1");
        assert_eq!(
            (
                &*container.mounts[0].destination,
                &*container.mounts[0].kind
            ),
            ("/d", "bind")
        );
    }

    #[test]
    fn numbers_of_the_other_messages() {
        let registration = RegisterPluginRequest {
            plugin_name: "n".into(),
            plugin_idx: "05".into(),
        };
        assert_eq!(registration.encode_to_vec(), b"\x0a\x01n\x12\x0205");
        let events = EVENT_CREATE_CONTAINER;
        assert_eq!(ConfigureResponse { events }.encode_to_vec(), b"\x10\x08");
        let configure = b"\x0a\x01c\x12\x01r\x1a\x01v\x20\x88\x27\x28\xd0\x0f\x32\x01x";
        let configure = ConfigureRequest::decode(configure.as_slice()).unwrap();
        let texts = [
            &*configure.config,
            &*configure.runtime_name,
            &*configure.runtime_version,
        ];
        assert_eq!((texts, configure.request_timeout), (["c", "r", "v"], 2000));
        let pod = b"\x12\x01n\x22\x01s\x32\x06\x0a\x01k\x12\x01v";
        let pod = PodSandbox::decode(pod.as_slice()).unwrap();
        assert_eq!(
            (&*pod.name, &*pod.namespace, &*pod.annotations["k"]),
            ("n", "s", "v")
        );
    }
}
