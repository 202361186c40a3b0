//! A client of the engine's CRI socket, reduced to pods with the host's network and containers in them.
//!
//! <https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto>

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

const DEADLINE: Duration = Duration::from_secs(60);
/// NamespaceMode NODE.
const HOST: i32 = 2;

/// A connection that is made again when the engine restarts.
pub struct Cri {
    executor: tokio::runtime::Runtime,
    channel: Channel,
    cgroup_parent: String,
}

impl Cri {
    pub fn new(socket: &Path, cgroup_parent: &str) -> Cri {
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        let endpoint = endpoint.timeout(DEADLINE).connect_timeout(DEADLINE);
        let channel = executor.block_on(async { endpoint.connect_lazy() });
        Cri {
            executor,
            channel,
            cgroup_parent: cgroup_parent.to_owned(),
        }
    }

    fn call<Q: Message + 'static, R: Message + Default + 'static>(
        &self,
        method: &str,
        request: Q,
    ) -> Result<R, Status> {
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}")).unwrap();
        self.executor.block_on(async {
            let mut client = Grpc::new(self.channel.clone());
            client
                .ready()
                .await
                .map_err(|e| Status::unavailable(e.to_string()))?;
            let response = client
                .unary(Request::new(request), path, ProstCodec::<Q, R>::default())
                .await?;
            Ok(response.into_inner())
        })
    }

    /// Whether the engine answers.
    pub fn answers(&self) -> bool {
        self.call::<(), ()>("Version", ()).is_ok()
    }

    /// Starts a pod.
    pub fn run_pod(&self, name: &str, annotations: &[(&str, &str)]) -> Pod {
        let namespaces = NamespaceOption {
            network: HOST,
            ..NamespaceOption::default()
        };
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid: name.to_owned(),
                namespace: "tests".to_owned(),
            }),
            annotations: map(annotations),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup_parent.clone(),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(namespaces),
                }),
            }),
            ..PodSandboxConfig::default()
        };
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let Id { id } = self.call("RunPodSandbox", request).unwrap();
        Pod { id, config }
    }

    /// Creates a container of a pod that just waits; `mounts` are pairs of a path on the host and one in the container.
    pub fn create(
        &self,
        pod: &Pod,
        name: &str,
        image: &str,
        mounts: &[(&Path, &Path)],
    ) -> Result<String, Status> {
        let namespaces = NamespaceOption {
            network: HOST,
            pid: 1,
            ..NamespaceOption::default()
        };
        let mount = |(host, container): &(&Path, &Path)| Mount {
            container_path: container.display().to_string(),
            host_path: host.display().to_string(),
        };
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.id.clone(),
            config: Some(ContainerConfig {
                metadata: Some(ContainerMetadata {
                    name: name.to_owned(),
                }),
                image: Some(ImageSpec {
                    image: image.to_owned(),
                }),
                command: ["/bin/sleep", "600"].map(str::to_owned).to_vec(),
                mounts: mounts.iter().map(mount).collect(),
                linux: Some(LinuxContainerConfig {
                    security_context: Some(LinuxContainerSecurityContext {
                        namespace_options: Some(namespaces),
                    }),
                }),
            }),
            sandbox_config: Some(pod.config.clone()),
        };
        self.call("CreateContainer", request).map(|Id { id }| id)
    }

    pub fn start(&self, container: &str) -> Result<(), Status> {
        self.call("StartContainer", id(container))
    }

    /// Ends a container and removes it.
    pub fn remove(&self, container: &str) {
        self.call::<_, ()>("StopContainer", id(container)).unwrap();
        self.call::<_, ()>("RemoveContainer", id(container))
            .unwrap();
    }

    /// Ends a pod and removes it.
    pub fn remove_pod(&self, pod: &Pod) {
        self.call::<_, ()>("StopPodSandbox", id(&pod.id)).unwrap();
        self.call::<_, ()>("RemovePodSandbox", id(&pod.id)).unwrap();
    }
}

/// A pod and what it was made from, which its containers must repeat.
pub struct Pod {
    pub id: String,
    config: PodSandboxConfig,
}

fn id(id: &str) -> Id {
    Id { id: id.to_owned() }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// All messages whose only field of interest is the id of a pod or a container.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(string, tag = "3")]
    log_directory: String,
    #[prost(btree_map = "string, string", tag = "7")]
    annotations: BTreeMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxPodSandboxConfig {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security_context: Option<LinuxSandboxSecurityContext>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxSandboxSecurityContext {
    #[prost(message, optional, tag = "1")]
    namespace_options: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, Message)]
struct NamespaceOption {
    #[prost(int32, tag = "1")]
    network: i32,
    #[prost(int32, tag = "2")]
    pid: i32,
    #[prost(int32, tag = "3")]
    ipc: i32,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    mounts: Vec<Mount>,
    #[prost(message, optional, tag = "15")]
    linux: Option<LinuxContainerConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, Message)]
struct Mount {
    #[prost(string, tag = "1")]
    container_path: String,
    #[prost(string, tag = "2")]
    host_path: String,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxContainerConfig {
    #[prost(message, optional, tag = "2")]
    security_context: Option<LinuxContainerSecurityContext>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxContainerSecurityContext {
    #[prost(message, optional, tag = "3")]
    namespace_options: Option<NamespaceOption>,
}
