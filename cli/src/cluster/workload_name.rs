use std::str::FromStr;

use breakwater_core::workload::WorkloadKind;

/// `deployment/web`, as kubectl takes it; `web` is a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkloadName {
    pub(crate) kind: WorkloadKind,
    pub(crate) name: String,
}

impl FromStr for WorkloadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once('/').unwrap_or(("deployment", text));
        let kind = match kind.to_ascii_lowercase().trim_end_matches(".apps").trim_end_matches(".batch") {
            "deployment" | "deployments" | "deploy" => WorkloadKind::Deployment,
            "statefulset" | "statefulsets" | "sts" => WorkloadKind::StatefulSet,
            "daemonset" | "daemonsets" | "ds" => WorkloadKind::DaemonSet,
            "replicaset" | "replicasets" | "rs" => WorkloadKind::ReplicaSet,
            "job" | "jobs" => WorkloadKind::Job,
            "cronjob" | "cronjobs" | "cj" => WorkloadKind::CronJob,
            "pod" | "pods" | "po" => WorkloadKind::Pod,
            other => {
                return Err(format!("{other:?} is no kind of workload: expected deployment, statefulset, …"));
            }
        };
        if name.is_empty() || name.contains('/') {
            return Err("expected [KIND/]NAME".to_owned());
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::workload::WorkloadKind;
    use proptest::prelude::*;

    use super::WorkloadName;

    #[test]
    fn names_as_kubectl_takes_them() {
        let of = |text: &str| text.parse::<WorkloadName>().map(|workload| (workload.kind, workload.name));
        assert_eq!(of("web"), Ok((WorkloadKind::Deployment, "web".to_owned())));
        assert_eq!(of("sts/db"), Ok((WorkloadKind::StatefulSet, "db".to_owned())));
        assert_eq!(of("deployment.apps/web"), Ok((WorkloadKind::Deployment, "web".to_owned())));
        assert!(of("service/web").is_err() && of("deploy/").is_err());
    }

    proptest! {
        #[test]
        fn a_name_is_read_the_same_in_full(
            kind in "((Pods|cj[.]batch|sts[.]apps|rs|[a-z.]{0,12})/)?",
            name in ".{0,20}",
        ) {
            if let Ok(read) = format!("{kind}{name}").parse::<WorkloadName>() {
                prop_assert!(!read.name.is_empty() && !read.name.contains('/'));
                prop_assert_eq!(format!("{}/{}", read.kind.as_str(), read.name).parse(), Ok(read));
            }
        }
    }
}
