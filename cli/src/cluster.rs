//! What needs a cluster: `explain` and `undo`. Reads the user's kubeconfig, with the user's rights.

use anyhow::Context;
use breakwater_core::workload::WorkloadKind;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::arguments::OnWorkload;
pub(crate) use explain::explain;
pub(crate) use undo::undo;
pub(crate) use workload_name::WorkloadName;

mod containers;
mod explain;
mod explanation;
mod judgement;
mod owner;
mod scans;
mod text;
mod undo;
mod workload_name;

/// A workload of a cluster that can be asked.
struct Target {
    client: Client,
    kind: WorkloadKind,
    namespace: String,
    name: String,
}

impl Target {
    async fn connect(arguments: &OnWorkload) -> anyhow::Result<Self> {
        let options =
            KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
        let config = match Kubeconfig::read() {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await?,
            Err(cause) if arguments.context.is_none() => Config::infer()
                .await
                .map_err(|_| cause)
                .context("no cluster to ask: set KUBECONFIG, or run where one is configured")?,
            Err(cause) => return Err(cause).context("--context: the kubeconfig cannot be read"),
        };
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let WorkloadName { kind, name } = arguments.workload.clone();
        Ok(Self { client: Client::try_from(config)?, kind, namespace, name })
    }

    /// Another object of the same namespace.
    fn at(&self, kind: WorkloadKind, name: String) -> Self {
        Self { client: self.client.clone(), kind, namespace: self.namespace.clone(), name }
    }

    /// As statuses name it.
    fn reference(&self) -> String {
        format!("{}/{}/{}", self.kind.as_str(), self.namespace, self.name)
    }

    fn api(&self) -> Api<DynamicObject> {
        let api_version = self.kind.api_version();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = GroupVersionKind::gvk(group, version, self.kind.as_str());
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::from_gvk(&kind))
    }

    async fn get(&self) -> anyhow::Result<DynamicObject> {
        let missing = || anyhow::anyhow!("{} does not exist; is -n the right namespace?", self.reference());
        self.find().await?.ok_or_else(missing)
    }

    /// Nothing if it does not exist.
    async fn find(&self) -> anyhow::Result<Option<DynamicObject>> {
        self.api().get_opt(&self.name).await.with_context(|| format!("cannot read {}", self.reference()))
    }
}
