//! The policies' verdicts about a scanned image by itself, without a workload around it: shown, and never acted upon.

use std::{collections::BTreeMap, sync::Arc};

use breakwater_core::{
    ImageReference,
    policy::{Compliance, Effect, ImageFacts, ImageUnderTest, ScannedImage, Subject},
};
use breakwater_crds::scanjob::{VerdictEntry, VerdictResult};
use chrono::{DateTime, Utc};

use crate::evaluate::PolicySet;

/// The most rules one verdict names.
const MAX_RULES: usize = 16;

/// Where a ScanJob lives: which policies speak about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// One verdict per policy that speaks about the image, sorted by policy.
pub(super) fn verdicts(
    policies: &PolicySet,
    place: &Place,
    image: &ImageReference,
    manifests: &[Arc<ScannedImage>],
    now: DateTime<Utc>,
) -> Vec<VerdictEntry> {
    let tests = manifests.iter().map(|manifest| ImageUnderTest {
        container: None,
        image: image.to_string(),
        reference: Some(image.clone()),
        reported: None,
        facts: ImageFacts::Scanned(manifest.clone()),
    });
    let images: Vec<_> = tests.collect();
    let subject = Subject { workload: None, images: &images };
    let speaking = policies
        .of_namespace(&place.namespace, &place.labels)
        .filter_map(|stored| stored.judge.as_ref())
        .filter(|judge| judge.policy().selector.selects_image(&image.name()));
    let judged = speaking.map(|judge| {
        let (policy, verdict) = (judge.policy(), judge.evaluate(&subject, now));
        let result = match verdict.compliance {
            Compliance::Violating => VerdictResult::Fail,
            Compliance::Unknown => VerdictResult::Error,
            Compliance::Compliant if verdict.with(Effect::Warning).next().is_some() => VerdictResult::Warn,
            Compliance::Compliant => VerdictResult::Pass,
        };
        let rules = verdict.violated().into_iter().take(MAX_RULES).map(str::to_owned).collect();
        VerdictEntry { policy: format!("{}/{}", policy.id.namespace, policy.id.name), result, rules }
    });
    together(judged.collect())
}

/// One verdict per policy: the worst of its verdicts, for all their rules.
pub(super) fn together(verdicts: Vec<VerdictEntry>) -> Vec<VerdictEntry> {
    let mut all: BTreeMap<String, VerdictEntry> = BTreeMap::new();
    for verdict in verdicts {
        let known = all
            .entry(verdict.policy.clone())
            .or_insert_with(|| VerdictEntry { policy: verdict.policy.clone(), ..VerdictEntry::default() });
        known.result = [known.result, verdict.result].into_iter().max_by_key(weight).unwrap_or_default();
        known.rules.extend(verdict.rules);
        known.rules.sort_unstable();
        known.rules.dedup();
        known.rules.truncate(MAX_RULES);
    }
    all.into_values().take(32).collect()
}

/// The worst of them. What is violated is violated, whatever else cannot be told.
pub(super) fn worst(verdicts: &[VerdictEntry]) -> Option<VerdictResult> {
    verdicts.iter().map(|verdict| verdict.result).max_by_key(weight)
}

fn weight(result: &VerdictResult) -> u8 {
    match result {
        VerdictResult::Pass => 0,
        VerdictResult::Warn => 1,
        VerdictResult::Error => 2,
        VerdictResult::Fail => 3,
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::Severity;
    use breakwater_crds::ImagePolicy;
    use serde_json::json;

    use super::*;
    use crate::controllers::scanjob::fixtures::{IMAGE, at, finding, manifest};

    fn policy(namespace: &str, name: &str, spec: serde_json::Value) -> ImagePolicy {
        let object = json!({
            "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
            "metadata": {"namespace": namespace, "name": name, "uid": name}, "spec": spec,
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn the_policies_of_the_place_judge_and_no_others() {
        let none = json!({"rules": {"vulnerabilities": {"max": {"critical": 0}, "fixableOnly": false}}});
        let policies = [
            policy("shop", "strict", none.clone()),
            policy(
                "shop",
                "elsewhere",
                json!({"selector": {"images": ["other.test/**"]}, "rules": none["rules"]}),
            ),
            policy("bank", "foreign", none.clone()),
            policy(
                "shop",
                "lenient",
                json!({"rules": {"vulnerabilities": {"max": {"critical": 9}, "fixableOnly": false}}}),
            ),
            policy(
                "breakwater-system",
                "all",
                json!({"selector": {"namespaceSelector": {}}, "rules": none["rules"]}),
            ),
        ];
        let policies = PolicySet::of(policies, "breakwater-system");
        let place = Place { namespace: "shop".into(), labels: BTreeMap::new() };
        let image = manifest("a", vec![finding("CVE-2026-1", Severity::Critical)]).image;
        let judged = verdicts(&policies, &place, &IMAGE.parse().unwrap(), &[image], at(100));
        let results: Vec<_> =
            judged.iter().map(|v| (v.policy.as_str(), v.result, v.rules.is_empty())).collect();
        assert_eq!(
            results,
            [
                ("breakwater-system/all", VerdictResult::Fail, false),
                ("shop/lenient", VerdictResult::Pass, true),
                ("shop/strict", VerdictResult::Fail, false),
            ]
        );
    }
}
