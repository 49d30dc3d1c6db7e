//! From a validated spec to the question its Job is given, and to the files that go with it. Reads Secrets; shows none.

use std::collections::BTreeSet;

use breakwater_core::{
    ImageReference, Platform,
    policy::RegistrySource,
    scan::{MAX_IMAGES, Question, RegistryAccess, pod},
    workload::WorkloadRef,
};
use breakwater_crds::{
    ImagePolicy,
    validation::{Scan, ScanOf},
};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;

use super::{
    credentials,
    job::{self, Files},
};
use crate::{context::Context, workloads::Workloads};

/// The most (image, platform) pairs of one Job: what is remembered of them must fit into its annotations (256 KiB).
const MAX_PAIRS: usize = 400;

/// What a Job is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asking {
    pub(super) question: Question,
    /// For the Job's Secret, by name. Empty: it needs none.
    pub(super) files: Files,
}

/// Why nothing can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hindrance {
    /// One CamelCase word.
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// It may pass by itself: what is named appears, or is allowed.
    pub(super) may_pass: bool,
}

/// Where the pull secrets are, and which.
struct Purse {
    namespace: String,
    secrets: BTreeSet<String>,
    /// Whoever named these secrets one by one wants them used; others are used as far as they can be read.
    named: bool,
}

pub(super) enum Failure {
    Hindered(Hindrance),
    Api(kube::Error),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(error)
    }
}

impl From<Hindrance> for Failure {
    fn from(hindrance: Hindrance) -> Self {
        Self::Hindered(hindrance)
    }
}

/// Asks the API server for what the spec names.
pub(super) async fn resolve(
    context: &Context,
    workloads: &Workloads,
    namespace: &str,
    uid: &str,
    scan: &Scan,
) -> Result<Asking, Failure> {
    let config = context.config.load_full();
    let mut purse = purse(context, workloads, namespace, scan).await?;
    let (images, mut platforms) = match &scan.of {
        ScanOf::Image(image) => (vec![image.clone()], Vec::new()),
        ScanOf::Registry { policy, name, repositories } => {
            let source = source(context, namespace, policy, name).await?;
            purse.secrets.extend(source.auth_secret.clone());
            (tagged(&source, repositories)?, source.platforms)
        }
    };
    if !scan.platforms.is_empty() {
        platforms.clone_from(&scan.platforms);
    }
    if platforms.is_empty() {
        platforms = workloads.platforms();
    }
    if platforms.is_empty() {
        return Err(hindered("PlatformsUnknown", "the cluster's nodes are not known yet", true).into());
    }
    platforms.truncate(16);
    if images.len() > MAX_IMAGES || images.len() * platforms.len() > MAX_PAIRS {
        let message =
            format!("more than {MAX_IMAGES} images, or {MAX_PAIRS} images and platforms, in one ScanJob");
        return Err(hindered("TooManyImages", message, false).into());
    }
    let registry = images.first().map(|image| image.registry.clone()).unwrap_or_default();
    let mut files = Files::new();
    let secrets = pull_secrets(context, &purse).await?;
    if let Some(config) = credentials::config_for(&secrets, &registry) {
        files.insert(file(pod::CREDENTIALS_FILE), config);
    }
    if let Some(name) = &scan.ca_secret {
        files.insert(file(pod::REGISTRY_CA_FILE), authority(context, namespace, name).await?);
    }
    let access = config.registries.iter().find(|known| known.host == registry).map(|known| RegistryAccess {
        insecure: known.insecure,
        allow_private_addresses: known.allow_private_addresses,
        proxy: known.proxy.clone(),
    });
    Ok(Asking {
        question: Question {
            scan_job: uid.to_owned(),
            images,
            platforms,
            registry: access.unwrap_or_default(),
            intake: format!("https://breakwater-intake.{}.svc:8443", context.namespace),
            timeout_seconds: job::timeout_seconds(scan.timeout, config.scan.max_timeout),
        },
        files,
    })
}

fn hindered(reason: &'static str, message: impl Into<String>, may_pass: bool) -> Hindrance {
    Hindrance { reason, message: message.into(), may_pass }
}

async fn purse(
    context: &Context,
    workloads: &Workloads,
    namespace: &str,
    scan: &Scan,
) -> Result<Purse, Failure> {
    if let Some(workload) = &scan.credentials_from {
        return Ok(purse_of(workloads, workload));
    }
    let mut secrets: BTreeSet<String> = scan.pull_secrets.iter().cloned().collect();
    if let Some(name) = &scan.service_account {
        let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
        let account = readable(accounts.get_opt(name).await, "ServiceAccount", namespace, name)?;
        secrets.extend(account.image_pull_secrets.into_iter().flatten().map(|reference| reference.name));
    }
    Ok(Purse { namespace: namespace.to_owned(), secrets, named: true })
}

/// A workload that is gone, or names no secrets, is asked for anonymously: the registry's answer tells.
fn purse_of(workloads: &Workloads, workload: &WorkloadRef) -> Purse {
    let secrets = workloads.get(workload).map(|workload| workload.pull_secrets.clone()).unwrap_or_default();
    Purse { namespace: workload.namespace.clone(), secrets: secrets.into_iter().collect(), named: false }
}

async fn pull_secrets(context: &Context, purse: &Purse) -> Result<Vec<Secret>, Failure> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &purse.namespace);
    let mut found = Vec::new();
    for name in purse.secrets.iter().take(16) {
        match readable(api.get_opt(name).await, "Secret", &purse.namespace, name) {
            Ok(secret) => found.push(secret),
            Err(Failure::Hindered(hindrance)) if !purse.named => {
                tracing::info!(
                    reason = hindrance.reason,
                    message = hindrance.message,
                    "a workload's pull secret is not used"
                );
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

async fn authority(context: &Context, namespace: &str, name: &str) -> Result<Vec<u8>, Failure> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let secret = readable(api.get_opt(name).await, "Secret", namespace, name)?;
    let certificates = secret.data.and_then(|mut data| data.remove("ca.crt"));
    let missing =
        || hindered("CertificateMissing", format!("the Secret {namespace}/{name} has no key ca.crt"), true);
    Ok(certificates.ok_or_else(missing)?.0)
}

/// A missing object may appear, a forbidden one may be allowed: both are said, and waited for.
fn readable<K>(
    found: Result<Option<K>, kube::Error>,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<K, Failure> {
    match found {
        Ok(Some(object)) => Ok(object),
        Ok(None) => {
            let message = format!("the {kind} {namespace}/{name} does not exist");
            Err(hindered("CredentialsMissing", message, true).into())
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let message = format!(
                "the operator may not read the {kind} {namespace}/{name}: allow its service account to get it there"
            );
            Err(hindered("CredentialsForbidden", message, true).into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn source(
    context: &Context,
    namespace: &str,
    policy: &str,
    name: &str,
) -> Result<RegistrySource, Failure> {
    let api: Api<ImagePolicy> = Api::namespaced(context.client.clone(), namespace);
    let missing =
        || hindered("PolicyMissing", format!("the ImagePolicy {namespace}/{policy} does not exist"), true);
    let found = api.get_opt(policy).await?.ok_or_else(missing)?;
    let invalid = |problems| {
        hindered("PolicyInvalid", format!("the ImagePolicy {namespace}/{policy}: {problems}"), true)
    };
    let registries = found.validate(&context.namespace).map_err(invalid)?.registries;
    let absent = || {
        hindered(
            "RegistryMissing",
            format!("the ImagePolicy {namespace}/{policy} has no registry {name}"),
            true,
        )
    };
    Ok(registries.into_iter().find(|registry| registry.name == name).ok_or_else(absent)?)
}

/// The images that are named tag by tag. Scan Jobs do not list tags yet: what would need that is said, not skipped.
fn tagged(source: &RegistrySource, only: &[String]) -> Result<Vec<ImageReference>, Hindrance> {
    let mut images = Vec::new();
    for repository in source.repositories.iter().filter(|r| only.is_empty() || only.contains(&r.name)) {
        let listing = || {
            let message = format!(
                "{}/{} selects tags by pattern, and this version does not list tags: name each tag in tags.include",
                source.host, repository.name
            );
            hindered("TagListingUnsupported", message, false)
        };
        if repository.include.is_empty() || repository.newest.is_some() {
            return Err(listing());
        }
        for tag in &repository.include {
            let reference = format!("{}/{}:{tag}", source.host, repository.name);
            let image: ImageReference = reference.parse().map_err(|_| listing())?;
            let excluded = |tag: &str| repository.exclude.iter().any(|glob| glob.matches(tag));
            if !image.tag.as_deref().is_some_and(excluded) {
                images.push(image);
            }
        }
    }
    if images.is_empty() {
        return Err(hindered("NothingSelected", format!("no image of {} is selected", source.host), false));
    }
    images.truncate(usize::try_from(source.max_images).unwrap_or(usize::MAX));
    Ok(images)
}

fn file(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Whether somebody named this platform; the cluster's own are not missed where an image does not have them all.
pub(super) fn was_named(scan: &Scan, platform: &Platform) -> bool {
    scan.platforms.contains(platform)
}

#[cfg(test)]
mod tests {
    use breakwater_core::{glob::Glob, policy::RepositorySource};

    use super::*;

    fn source(include: &[&str], newest: Option<u32>) -> RegistrySource {
        let glob = |text: &&str| Glob::new(text).unwrap();
        RegistrySource {
            name: "main".into(),
            host: "registry.test:5000".into(),
            repositories: vec![RepositorySource {
                name: "team/app".into(),
                include: include.iter().map(glob).collect(),
                exclude: vec![Glob::new("*.sig").unwrap()],
                newest,
            }],
            platforms: vec![],
            auth_secret: None,
            max_images: 500,
        }
    }

    #[test]
    fn tags_that_are_named_are_asked_for() {
        let images = tagged(&source(&["1.0", "1.1", "x.sig"], None), &[]).unwrap();
        let names: Vec<String> = images.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["registry.test:5000/team/app:1.0", "registry.test:5000/team/app:1.1"]);
        assert_eq!(tagged(&source(&["1.0"], None), &["other".into()]).unwrap_err().reason, "NothingSelected");
    }

    #[test]
    fn what_needs_a_list_of_tags_is_said() {
        for source in [source(&["1.*"], None), source(&[], None), source(&["1.0"], Some(3))] {
            let hindrance = tagged(&source, &[]).unwrap_err();
            assert_eq!((hindrance.reason, hindrance.may_pass), ("TagListingUnsupported", false));
        }
    }
}
