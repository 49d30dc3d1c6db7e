//! From a validated spec to the question its Job is given, and to the files that go with it. Reads Secrets; shows none.

use std::collections::BTreeSet;

use breakwater_core::{
    ImageReference, Platform,
    policy::{RegistrySource, RepositorySource},
    scan::{
        MAX_IMAGES, MAX_MIRRORS, MAX_REPOSITORIES, MAX_SHARDS, Mirror, Question, RegistryAccess,
        RepositoryQuestion, pod,
    },
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
use crate::{config::Config, context::Context, workloads::Workloads};

/// The most (image, platform) pairs of one Job: what is remembered of them must fit into its annotations (256 KiB).
pub(crate) const MAX_PAIRS: usize = 1_500;

/// The largest question, in bytes of JSON: it travels in one environment variable, and Linux takes 128 KiB of one (MAX_ARG_STRLEN).
const MAX_QUESTION: usize = 96 << 10;

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
    pub(super) until: Until,
}

/// How long something hinders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// What is named appears, or is allowed.
    ItPasses,
    /// Somebody corrects what is named.
    Mended,
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
    let source = match &scan.of {
        ScanOf::Image(_) => None,
        ScanOf::Registry { policy, name, .. } => Some(source(context, namespace, policy, name).await?),
    };
    let purse = purse(context, workloads, namespace, scan, source.as_ref()).await?;
    let mut platforms = scan.platforms.clone();
    if let Some(source) = source.as_ref().filter(|_| platforms.is_empty()) {
        platforms.clone_from(&source.platforms);
    }
    if platforms.is_empty() {
        platforms = workloads.platforms();
    }
    if platforms.is_empty() {
        return Err(
            hindered("PlatformsUnknown", "the cluster's nodes are not known yet", Until::ItPasses).into()
        );
    }
    platforms.truncate(16);
    let mut question = Question {
        scan_job: uid.to_owned(),
        images: Vec::new(),
        repositories: Vec::new(),
        max_images: 0,
        shards: 1,
        registry: RegistryAccess::default(),
        mirrors: Vec::new(),
        intake: format!("https://breakwater-intake.{}.svc:8443", context.namespace),
        timeout_seconds: job::timeout_seconds(scan.timeout, config.scan.max_timeout),
        platforms,
    };
    match (&scan.of, &source) {
        (ScanOf::Image(image), _) => question.images.push(image.clone()),
        (ScanOf::Registry { repositories: only, .. }, Some(source)) => {
            question.repositories = repositories(source, only)?;
            question.shards = scan.parallelism.clamp(1, MAX_SHARDS);
            question.max_images = max_images(source.max_images, question.platforms.len());
        }
        (ScanOf::Registry { .. }, None) => {}
    }
    if serde_json::to_vec(&question).map_or(usize::MAX, |json| json.len()) > MAX_QUESTION {
        let message = "the repositories' patterns are too many for one ScanJob: divide the registry into several entries";
        return Err(hindered("QuestionTooLarge", message, Until::Mended).into());
    }
    let registry = question.registry_host().to_owned();
    let mut files = Files::new();
    let secrets = pull_secrets(context, &purse).await?;
    let mirrors = source.as_ref().map(|source| source.mirrors.as_slice()).unwrap_or_default();
    let hosts: BTreeSet<&str> =
        std::iter::once(registry.as_str()).chain(mirrors.iter().map(String::as_str)).collect();
    if let Some(config) = credentials::config_for(&secrets, &hosts) {
        files.insert(file(pod::CREDENTIALS_FILE), config);
    }
    let authority_of =
        scan.ca_secret.as_ref().or(source.as_ref().and_then(|source| source.ca_secret.as_ref()));
    if let Some(name) = authority_of {
        files.insert(file(pod::REGISTRY_CA_FILE), authority(context, namespace, name).await?);
    }
    question.registry = access(&config, &registry);
    let mirror = |host: &String| Mirror { host: host.clone(), access: access(&config, host) };
    question.mirrors = mirrors.iter().take(MAX_MIRRORS).map(mirror).collect();
    Ok(Asking { question, files })
}

/// How the operator's configuration lets this host be spoken to, whoever named it.
fn access(config: &Config, host: &str) -> RegistryAccess {
    let known = config.registries.iter().find(|known| known.host == host);
    known.map_or_else(RegistryAccess::default, |known| RegistryAccess {
        insecure: known.insecure,
        allow_private_addresses: known.allow_private_addresses,
        proxy: known.proxy.clone(),
        no_proxy: known.no_proxy.clone(),
        token_hosts: known.token_hosts.clone(),
    })
}

/// As many images as the policy wants and one Job can carry.
fn max_images(wanted: u32, platforms: usize) -> u32 {
    let carried = MAX_PAIRS.checked_div(platforms).unwrap_or(MAX_IMAGES).min(MAX_IMAGES);
    u32::try_from(carried).unwrap_or(u32::MAX).min(wanted)
}

fn hindered(reason: &'static str, message: impl Into<String>, until: Until) -> Hindrance {
    Hindrance { reason, message: message.into(), until }
}

async fn purse(
    context: &Context,
    workloads: &Workloads,
    namespace: &str,
    scan: &Scan,
    source: Option<&RegistrySource>,
) -> Result<Purse, Failure> {
    // A registry is asked with its policy's secrets: those of a workload are of another place.
    if let Some(workload) = scan.credentials_from.as_ref().filter(|_| source.is_none()) {
        return Ok(purse_of(workloads, workload));
    }
    let mut secrets: BTreeSet<String> = scan.pull_secrets.iter().cloned().collect();
    secrets.extend(source.and_then(|source| source.auth_secret.clone()));
    let accounts =
        scan.service_account.iter().chain(source.and_then(|source| source.service_account.as_ref()));
    for name in accounts {
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
    let missing = || {
        hindered(
            "CertificateMissing",
            format!("the Secret {namespace}/{name} has no key ca.crt"),
            Until::ItPasses,
        )
    };
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
            Err(hindered("CredentialsMissing", message, Until::ItPasses).into())
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let message = format!(
                "the operator may not read the {kind} {namespace}/{name}: allow its service account to get it there"
            );
            Err(hindered("CredentialsForbidden", message, Until::ItPasses).into())
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
    let missing = || {
        hindered(
            "PolicyMissing",
            format!("the ImagePolicy {namespace}/{policy} does not exist"),
            Until::Mended,
        )
    };
    let found = api.get_opt(policy).await?.ok_or_else(missing)?;
    let invalid = |problems| {
        hindered("PolicyInvalid", format!("the ImagePolicy {namespace}/{policy}: {problems}"), Until::Mended)
    };
    let registries = found.validate(&context.namespace).map_err(invalid)?.registries;
    let absent = || {
        hindered(
            "RegistryMissing",
            format!("the ImagePolicy {namespace}/{policy} has no registry {name}"),
            Until::Mended,
        )
    };
    Ok(registries.into_iter().find(|registry| registry.name == name).ok_or_else(absent)?)
}

/// The repositories of `source` that are asked about, each with its tags.
fn repositories(source: &RegistrySource, only: &[String]) -> Result<Vec<RepositoryQuestion>, Hindrance> {
    let absent = only.iter().find(|name| source.repositories.iter().all(|known| known.name != **name));
    if let Some(name) = absent {
        let message = format!("the registry {} of the ImagePolicy has no repository {name}", source.name);
        return Err(hindered("RepositoryMissing", message, Until::Mended));
    }
    let asked: Vec<_> =
        source.repositories.iter().filter(|r| only.is_empty() || only.contains(&r.name)).collect();
    if asked.len() > MAX_REPOSITORIES {
        let message = format!(
            "more than {MAX_REPOSITORIES} repositories in one ScanJob: divide the registry into several entries"
        );
        return Err(hindered("TooManyRepositories", message, Until::Mended));
    }
    let question = |repository: &RepositorySource| {
        // Docker Hub's short names are completed.
        let name = format!("{}/{}", source.host, repository.name).parse::<ImageReference>();
        RepositoryQuestion {
            registry: source.host.clone(),
            name: name.map_or_else(|_| repository.name.clone(), |reference| reference.repository),
            include: repository.include.clone(),
            exclude: repository.exclude.clone(),
            versions: repository.versions.clone(),
            newest: repository.newest,
        }
    };
    Ok(asked.into_iter().map(question).collect())
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
    use breakwater_core::glob::Glob;

    use super::*;

    fn source(host: &str) -> RegistrySource {
        let repository = |name: &str| RepositorySource {
            name: name.into(),
            include: vec![Glob::new("1.*").unwrap()],
            exclude: vec![Glob::new("*.sig").unwrap()],
            versions: None,
            newest: Some(3),
        };
        RegistrySource {
            name: "main".into(),
            host: host.into(),
            mirrors: vec![],
            repositories: vec![repository("team/app"), repository("tool")],
            platforms: vec![],
            auth_secret: None,
            service_account: None,
            ca_secret: None,
            max_images: 500,
        }
    }

    #[test]
    fn each_repository_is_asked_with_its_tags() {
        let asked = repositories(&source("registry.test:5000"), &[]).unwrap();
        assert_eq!(asked[0].reference().to_string(), "registry.test:5000/team/app");
        assert!(asked[0].selects("1.0") && !asked[0].selects("1.0.sig") && !asked[0].selects("main"));
        assert_eq!((asked.len(), asked[0].newest), (2, Some(3)));
        let one = repositories(&source("registry.test:5000"), &["tool".into()]).unwrap();
        assert_eq!(one.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["tool"]);
        let hub = repositories(&source("docker.io"), &["tool".into()]).unwrap();
        assert_eq!(hub[0].name, "library/tool");
    }

    #[test]
    fn a_host_is_spoken_to_as_the_configuration_says() {
        let known = crate::config::Registry {
            host: "registry.test:5000".into(),
            insecure: true,
            allow_private_addresses: true,
            proxy: Some("http://proxy.test".into()),
            no_proxy: Some(".test".into()),
            token_hosts: vec!["login.test".into()],
        };
        let config = Config { registries: vec![known], ..Config::default() };
        let found = access(&config, "registry.test:5000");
        assert!(found.insecure && found.allow_private_addresses);
        assert_eq!(
            (found.proxy.as_deref(), found.no_proxy.as_deref()),
            (Some("http://proxy.test"), Some(".test"))
        );
        assert_eq!(found.token_hosts, ["login.test"]);
        assert_eq!(
            access(&config, "registry.test"),
            RegistryAccess::default(),
            "a mirror that a tenant made up"
        );
    }

    #[test]
    fn what_the_policy_does_not_have_is_named() {
        let hindrance = repositories(&source("registry.test:5000"), &["secret".into()]).unwrap_err();
        assert_eq!((hindrance.reason, hindrance.until), ("RepositoryMissing", Until::Mended));
        assert!(hindrance.message.contains("secret"));
        let mut large = source("registry.test:5000");
        large.repositories = vec![large.repositories[0].clone(); 101];
        assert_eq!(repositories(&large, &[]).unwrap_err().reason, "TooManyRepositories");
    }
}
