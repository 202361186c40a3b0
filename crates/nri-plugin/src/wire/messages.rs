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
