//! The image by itself, judged by the ImagePolicy of a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use breakwater_advisories::{Index, Matches};
use breakwater_core::policy::{
    self, ImageFacts, ImageUnderTest, Matched, Policy, ScannedImage, Subject, Verdict,
};
use breakwater_core::{Inventory, history::ImageHistory};
use breakwater_crds::{ImagePolicy, validation};
use breakwater_scanner::Source;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::arguments::FailOn;

/// Reads the one ImagePolicy of a YAML file; other objects in it are none of ours.
pub(crate) fn read_policy(path: &Path) -> anyhow::Result<Policy> {
    let at = || format!("--policy {}", path.display());
    let yaml = String::from_utf8(crate::connection::read(path, "--policy")?).with_context(at)?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&yaml).with_context(at)?;
    let is_policy = |object: &&Value| object.get("kind").and_then(Value::as_str) == Some("ImagePolicy");
    let mut policies = objects.iter().filter(is_policy);
    let Some(object) = policies.next() else { bail!("{}: no ImagePolicy in it", at()) };
    ensure!(policies.next().is_none(), "{}: more than one ImagePolicy in it; give one", at());
    let policy: ImagePolicy = validation::read(object).with_context(at)?;
    Policy::try_from(&policy.spec).with_context(at)
}

/// The policy that `--fail-on` stands for: no finding of these severities. So the two cannot mean different things.
pub(crate) fn fail_on(demands: &[FailOn], ignore_unfixed: bool) -> anyhow::Result<Policy> {
    let asks = |demand: &FailOn| demands.contains(demand);
    let mut max = serde_json::Map::new();
    let bands = [
        ("critical", [FailOn::Critical, FailOn::High, FailOn::Medium, FailOn::Low].as_slice()),
        ("high", &[FailOn::High, FailOn::Medium, FailOn::Low]),
        ("medium", &[FailOn::Medium, FailOn::Low]),
        ("low", &[FailOn::Low]),
        ("unknown", &[]),
    ];
    for (band, by) in bands {
        if asks(&FailOn::Any) || by.iter().any(asks) {
            max.insert(band.to_owned(), json!(0));
        }
    }
    let mut rule =
        json!({"max": max, "fixableOnly": ignore_unfixed, "denyKnownExploited": asks(&FailOn::Kev)});
    if let (true, Some(rule)) = (asks(&FailOn::Any), rule.as_object_mut()) {
        rule.insert("unknownSeverity".to_owned(), json!("Unknown"));
    }
    let object = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "fail-on"}, "spec": {"rules": {"vulnerabilities": rule}}});
    let policy: ImagePolicy = validation::read(&object).context("--fail-on")?;
    Policy::try_from(&policy.spec).context("--fail-on")
}

pub(crate) fn judge(
    policy: &Policy,
    inventory: &Inventory,
    index: Option<&Index>,
    matches: &Matches,
    now: DateTime<Utc>,
) -> Verdict {
    let matched = index.map(|index| Matched {
        revision: index.revision(),
        at: DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default(),
        carries: index.catalogues(),
    });
    let unmatched = matches.unanalysed.len();
    // There is no history here: grace counts from the dates of the records.
    let history = ImageHistory::default();
    let facts = ScannedImage::new(inventory, matches.findings.clone(), unmatched, matched, history);
    let image = ImageUnderTest {
        container: None,
        image: inventory.image.reference.clone(),
        // What names a file is no registry's reference, even where it could be read as one (`sbom:bom.json`).
        reference: match inventory.image.reference.parse() {
            Ok(Source::Registry(reference)) => Some(reference),
            _ => None,
        },
        reported: None,
        facts: ImageFacts::Scanned(Arc::new(facts)),
    };
    let mut verdict = policy::evaluate(policy, &Subject { workload: None, images: &[image] }, now);
    for check in &mut verdict.checks {
        // A remedy that names a package or a file is as good here; one about a cluster is not.
        if let Some(info) = policy::check(check.id).filter(|info| check.remedy == info.remedy_cluster) {
            check.remedy = info.remedy_cli.into();
        }
    }
    verdict
}
