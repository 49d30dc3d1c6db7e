//! `breakwater explain`: why a workload is judged as it is, by which policy, and what comes next. Reads what the user may read; what
//! may not be read is noted.

use std::collections::BTreeSet;

use anyhow::Context;
use breakwater_core::{
    printable::line,
    workload::{WorkloadKind, WorkloadRef},
};
use breakwater_crds::{ImagePolicy, ScanJob, names::annotations};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    batch::v1::Job,
    core::v1::{Namespace, Pod},
};
use kube::{
    Resource, ResourceExt,
    api::{Api, DynamicObject, ListParams},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Target, containers,
    explanation::{Explanation, HoldState, SCHEMA_VERSION},
    judgement::{self, Asked},
    owner, scans, text,
};
use crate::arguments::{Explain, Output};
use crate::terminal::Page;

/// Objects that one request asks for.
const PAGE: u32 = 500;
/// The most pages of a kind that are read: 20,000 objects.
const MAX_PAGES: usize = 40;

pub(crate) async fn explain(arguments: &Explain) -> anyhow::Result<()> {
    let asked = Target::connect(&arguments.on).await?;
    let object = asked.get().await?;
    let top = owner::top(asked, object).await?;
    let explanation = explanation(top, &arguments.operator_namespace).await?;
    match arguments.output {
        Output::Table => print!("{}", text::render(&explanation, Page::of_stdout())?),
        Output::Json => println!("{}", serde_json::to_string_pretty(&explanation)?),
    }
    Ok(())
}

async fn explanation(top: owner::Top, operator_namespace: &str) -> anyhow::Result<Explanation> {
    let owner::Top { target, object, via, note } = top;
    let now = crate::clock::now();
    let mut notes: Vec<String> = note.into_iter().collect();
    let pods = noted(pods(&target, &object).await, "pods", &mut notes)?;
    let workload = serde_json::to_value(&object).context("the workload cannot be read")?;
    let mut images = containers::images(&workload, &pods);
    let jobs = scan_jobs(&target, operator_namespace, &mut notes).await?;
    for image in &mut images {
        let scan = scans::counting(&jobs, &image.image, image.digest.as_deref());
        image.scan = scan.map(scans::shown);
    }
    let namespace = Api::<Namespace>::all(target.client.clone()).get_opt(&target.namespace).await;
    let namespace_labels = match namespace {
        Ok(namespace) => Some(namespace.map(|it| it.labels().clone()).unwrap_or_default()),
        Err(error) if is_forbidden(&error) => {
            notes.push(
                "the namespace's labels may not be read: policies that select by them are left out".into(),
            );
            None
        }
        Err(error) => return Err(error).context("cannot read the namespace"),
    };
    let id =
        WorkloadRef { kind: target.kind, namespace: target.namespace.clone(), name: target.name.clone() };
    let asked = Asked { id, labels: object.labels().clone(), namespace_labels };
    let policies = policies(&target, operator_namespace, &mut notes).await?;
    let judged = policies
        .iter()
        .filter_map(|policy| judgement::judge(policy, &asked, &images, operator_namespace, now));
    let mut judged: Vec<_> = judged.collect();
    judged.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.policy.cmp(&b.policy)));
    let hold = object.annotations().get(annotations::HOLD_UNTIL);
    Ok(Explanation {
        schema_version: SCHEMA_VERSION,
        workload: target.reference(),
        via,
        hold: hold.map(|hold| HoldState::of(hold, now)),
        images,
        policies: judged,
        notes,
    })
}

/// Every object of a kind, page by page, of those that `keep` wants.
async fn list<K>(api: &Api<K>, params: ListParams, keep: impl Fn(&K) -> bool) -> kube::Result<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut found = Vec::new();
    let mut params = params.limit(PAGE);
    for _ in 0..MAX_PAGES {
        let page = api.list(&params).await?;
        let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        found.extend(page.items.into_iter().filter(&keep));
        match next {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    Ok(found)
}

/// All policies that may be read: those of the cluster, else those of the namespace and the operator's.
async fn policies(
    target: &Target,
    operator_namespace: &str,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<ImagePolicy>> {
    let everything = |_: &ImagePolicy| true;
    let all = list(&Api::all(target.client.clone()), ListParams::default(), everything).await;
    match all {
        Err(error) if is_forbidden(&error) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {
            anyhow::bail!("this cluster does not know ImagePolicies: Breakwater is not installed")
        }
        other => return other.context("cannot list ImagePolicies"),
    }
    let of = |namespace: &str| Api::<ImagePolicy>::namespaced(target.client.clone(), namespace);
    let own = list(&of(&target.namespace), ListParams::default(), everything).await;
    let mut found = own.context("cannot list ImagePolicies")?;
    if operator_namespace != target.namespace {
        let central = list(&of(operator_namespace), ListParams::default(), everything).await;
        found.extend(noted(central, "ImagePolicies of the operator's namespace", notes)?);
    }
    Ok(found)
}

/// ScanJobs that count for the workload: of its namespace and of the operator's.
async fn scan_jobs(
    target: &Target,
    operator_namespace: &str,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<ScanJob>> {
    let place = scans::Place { namespace: &target.namespace, operator: operator_namespace };
    let mut found = Vec::new();
    for namespace in BTreeSet::from([target.namespace.as_str(), operator_namespace]) {
        let api = Api::<ScanJob>::namespaced(target.client.clone(), namespace);
        let jobs = list(&api, ListParams::default(), |job| place.trusts(job)).await;
        found.extend(noted(jobs, &format!("ScanJobs of namespace {namespace}"), notes)?);
    }
    Ok(found)
}

/// The pods of the workload, by owner.
async fn pods(target: &Target, object: &DynamicObject) -> kube::Result<Vec<Value>> {
    let as_json = |pod: &Pod| serde_json::to_value(pod).map_err(kube::Error::SerdeError);
    if target.kind == WorkloadKind::Pod {
        return Ok(vec![serde_json::to_value(object).map_err(kube::Error::SerdeError)?]);
    }
    let uid = object.uid().unwrap_or_default();
    let selector = selector(object);
    let selected = match &selector {
        Some(labels) => ListParams::default().labels(labels),
        None => ListParams::default(),
    };
    let mut owners = BTreeSet::from([uid.clone()]);
    match target.kind {
        WorkloadKind::Deployment => owners.extend(owned::<ReplicaSet>(target, &selected, &uid).await?),
        WorkloadKind::CronJob => owners.extend(owned::<Job>(target, &ListParams::default(), &uid).await?),
        _ => {}
    }
    let is_ours = |pod: &Pod| {
        pod.owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true) && owners.contains(&owner.uid))
    };
    let pods =
        list(&Api::<Pod>::namespaced(target.client.clone(), &target.namespace), selected, is_ours).await?;
    pods.iter().map(as_json).collect()
}

async fn owned<K>(target: &Target, params: &ListParams, uid: &str) -> kube::Result<Vec<String>>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let is_ours = |object: &K| {
        object.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
    };
    let api = Api::<K>::namespaced(target.client.clone(), &target.namespace);
    Ok(list(&api, params.clone(), is_ours).await?.iter().filter_map(ResourceExt::uid).collect())
}

fn selector(object: &DynamicObject) -> Option<String> {
    let labels = object.data.pointer("/spec/selector/matchLabels")?.as_object()?;
    let pairs = labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    Some(pairs.collect::<Vec<_>>().join(","))
}

/// What was read, or a note that it may not be read.
fn noted<T: Default>(read: kube::Result<T>, what: &str, notes: &mut Vec<String>) -> anyhow::Result<T> {
    match read {
        Err(error) if is_forbidden(&error) => {
            notes.push(format!("not allowed to read {}", line(what, 200)));
            Ok(T::default())
        }
        other => other.with_context(|| format!("cannot read {what}")),
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_one_in_the_golden_file_and_fits_its_schema() {
        let explanation = sample();
        insta::assert_snapshot!(serde_json::to_string_pretty(&explanation).unwrap());
        let schema: Value =
            serde_json::from_str(include_str!("../../../docs/schema/explain-v1.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&serde_json::to_value(&explanation).unwrap())
            .map(|e| e.to_string())
            .collect();
        assert_eq!(errors, [""; 0]);
    }

    #[test]
    fn the_text_names_every_image_the_reason_and_the_remedy() {
        let page = Page { width: 100, ..Page::of_a_file() };
        let shown = text::render(&sample(), page).unwrap();
        for part in [
            "Deployment/shop/web",
            "owner of Pod/shop/web-1-a, ReplicaSet/shop/web-1",
            "not held: breakwater.dev/hold-until is not valid: further ahead than 72 hours",
            "debug container debug (not in the template)",
            "NotFound: no such tag",
            "policy shop/strict: Violating",
            "breaks BW-VUL-001 vulnerabilities.max since 2026-01-01T00:00:00Z",
            "CVE-2026-1 lodash 4.17.0, fixed in 4.17.21",
            "remedy: upgrade lodash to 4.17.21",
            "exception later: pinned soon, said to be approved by sec@example.com, T-1",
            "note: not allowed to read pods",
        ] {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
    }

    /// One of everything.
    fn sample() -> Explanation {
        use super::super::explanation as e;
        let image = |container: &str, kind, in_template, scan| e::Image {
            container: container.into(),
            kind,
            image: format!("r.test/{container}:1"),
            in_template,
            digest: Some(breakwater_core::Digest::of(container.as_bytes()).to_string()),
            scan,
        };
        let finding = e::Finding {
            id: "CVE-2026-1".into(),
            severity: None,
            package: "lodash".into(),
            installed: "4.17.0".into(),
            fixed: Some("4.17.21".into()),
            suppressed_by: None,
        };
        let scan = e::Scan {
            scan_job: "shop/app".into(),
            result: "Violating".into(),
            failure: None,
            completed: Some("2026-01-01T00:00:00Z".into()),
            counts: Some(e::Counts {
                critical: 1,
                high: 0,
                medium: 0,
                low: 0,
                unknown: 0,
                fixable: 1,
                packages: 9,
            }),
            findings: vec![e::Finding { severity: Some("Critical".into()), ..finding.clone() }],
            more_findings: true,
            verdicts: vec![e::ScanVerdict {
                policy: "shop/strict".into(),
                result: "Fail".into(),
                rules: vec!["BW-VUL-001".into()],
            }],
        };
        let failed = e::Scan {
            scan_job: "shop/debug".into(),
            result: "Failed".into(),
            failure: Some(e::Failure { reason: "NotFound".into(), message: "no such tag".into() }),
            completed: None,
            counts: None,
            findings: vec![],
            more_findings: false,
            verdicts: vec![],
        };
        let policy = e::Policy {
            policy: "shop/strict".into(),
            verdict: e::Verdict::Violating,
            source: e::Source::Status,
            violation: Some(e::Violation {
                since: Some("2026-01-01T00:00:00Z".into()),
                rules: vec![e::Rule { id: "BW-VUL-001".into(), rule: "vulnerabilities.max".into() }],
                findings: vec![finding],
                allowed: "at most 0 (vulnerabilities.max)".into(),
                remedy: "upgrade lodash to 4.17.21".into(),
            }),
            checks: vec![e::Check {
                id: "BW-IMG-002".into(),
                rule: "image.requireDigest".into(),
                effect: "Suppressed".into(),
                container: "app".into(),
                observed: "image is not pinned to a digest".into(),
                allowed: "repository@sha256:…".into(),
                remedy: "pin the image to the digest that was tested".into(),
                suppressed_by: Some("later".into()),
            }],
            exceptions: vec![e::Exception {
                name: "later".into(),
                reason: "pinned soon".into(),
                approved_by: Some("sec@example.com".into()),
                ticket: Some("T-1".into()),
                expires_at: Some("2027-01-01T00:00:00Z".into()),
            }],
            mitigations: vec![e::Mitigation {
                action: "ScaleToZero".into(),
                mode: "DryRun".into(),
                state: "Planned".into(),
                reason: "OptInMissing".into(),
                previous_replicas: Some(3),
                until: Some("2026-01-02T00:00:00Z".into()),
            }],
            unsupported: vec!["spec.notify".into()],
            problem: None,
        };
        Explanation {
            schema_version: SCHEMA_VERSION,
            workload: "Deployment/shop/web".into(),
            via: vec!["Pod/shop/web-1-a".into(), "ReplicaSet/shop/web-1".into()],
            hold: Some(HoldState::of(
                "2026-01-09T00:00:00Z; fix in review",
                "2026-01-01T00:00:00Z".parse().unwrap(),
            )),
            images: vec![
                image("app", "App", true, Some(scan)),
                image("debug", "Ephemeral", false, Some(failed)),
            ],
            policies: vec![policy],
            notes: vec!["not allowed to read pods".into()],
        }
    }

    #[test]
    fn a_hold_is_read_as_the_operator_reads_it() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let of = |text: &str| HoldState::of(text, now);
        assert!(matches!(of("2026-01-02T00:00:00Z; fix in review"), HoldState::InForce { .. }));
        assert_eq!(of("2025-12-31T00:00:00Z; fix in review"), HoldState::Over);
        for bad in ["24h; fix in review", "2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z; x", "2026-01-02; x"]
        {
            assert!(matches!(of(bad), HoldState::Invalid { .. }), "{bad}");
        }
    }
}
