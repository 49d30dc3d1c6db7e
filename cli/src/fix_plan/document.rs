//! A plan as programs read it, and as the table shows it: upgrades by layer, each with the commands that do it.

use breakwater_advisories::{FixPlan, Matches, Upgrade, commands};
use breakwater_core::inventory::ImageIdentity;
use breakwater_core::policy::{Check, Compliance, Effect};
use breakwater_core::{Digest, Finding, Inventory, SeverityCounts};
use serde::Serialize;

use crate::scan::report::result;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    schema_version: u32,
    pub(super) image: &'a ImageIdentity,
    pub(super) before: State,
    /// Bottom first; only layers with upgrades.
    pub(super) layers: Vec<LayerPlan<'a>>,
    pub(super) after: State,
    /// Rules that the plan does not clear.
    pub(super) unmet: Vec<&'a Check>,
    /// Findings that the plan leaves, the most urgent first.
    pub(super) remaining: Vec<Remaining<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    pub(super) findings: SeverityCounts,
    /// `Pass`, `Fail` or `Unknown`. Absent: no policy was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayerPlan<'a> {
    /// Absent: it is not known which layer brought the packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<&'a Digest>,
    /// From 1, the bottom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<usize>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) created_by: &'a str,
    pub(super) upgrades: Vec<Entry>,
    pub(super) commands: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) ecosystem: String,
    pub(super) name: String,
    pub(super) from: String,
    pub(super) to: String,
    /// The first number of the version changes: interfaces may have changed with it.
    pub(super) major: bool,
    pub(super) packages: Vec<Place>,
    pub(super) clears: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) path: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remaining<'a> {
    pub(super) id: &'a str,
    pub(super) package: &'a str,
    pub(super) version: &'a str,
    severity: &'a str,
    /// An upgrade would mend it, and the policy does not ask for that.
    pub(super) fixable: bool,
}

impl<'a> Document<'a> {
    pub(super) fn of(
        inventory: &'a Inventory,
        matches: &Matches,
        before: Option<Compliance>,
        plan: &'a FixPlan,
    ) -> Self {
        let checks = plan.verdict.iter().flat_map(|verdict| &verdict.checks);
        let after = plan.verdict.as_ref().map(|verdict| verdict.compliance);
        Self {
            schema_version: 1,
            image: &inventory.image,
            before: State::of(&matches.findings, before),
            layers: layers(inventory, &plan.upgrades),
            after: State::of(&plan.matches.findings, after),
            unmet: checks.filter(|check| check.effect >= Effect::Unknown).collect(),
            remaining: plan.matches.findings.iter().map(Remaining::of).collect(),
        }
    }
}

impl State {
    fn of(findings: &[Finding], compliance: Option<Compliance>) -> Self {
        Self {
            findings: findings.iter().map(|finding| finding.severity).collect(),
            verdict: compliance.map(result),
        }
    }
}

impl<'a> Remaining<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            id: &finding.id,
            package: &finding.package.name,
            version: &finding.package.version,
            severity: finding.severity.as_str(),
            fixable: finding.is_fixable(),
        }
    }
}

/// An upgrade stands in every layer that brought one of its packages.
fn layers<'a>(inventory: &'a Inventory, upgrades: &[Upgrade]) -> Vec<LayerPlan<'a>> {
    let known = inventory.layers.iter().enumerate().map(|(place, layer)| LayerPlan {
        digest: Some(&layer.digest),
        number: Some(place + 1),
        created_by: &layer.created_by,
        upgrades: Vec::new(),
        commands: Vec::new(),
    });
    let nowhere =
        LayerPlan { digest: None, number: None, created_by: "", upgrades: Vec::new(), commands: Vec::new() };
    known
        .chain([nowhere])
        .filter_map(|mut layer| {
            let here: Vec<Upgrade> = upgrades
                .iter()
                .map(|upgrade| {
                    let mut upgrade = upgrade.clone();
                    upgrade.packages.retain(|package| package.layer.as_ref() == layer.digest);
                    upgrade
                })
                .filter(|upgrade| !upgrade.packages.is_empty())
                .collect();
            layer.commands = commands(&here);
            layer.upgrades = here.into_iter().map(Entry::of).collect();
            (!layer.upgrades.is_empty()).then_some(layer)
        })
        .collect()
}

impl Entry {
    fn of(upgrade: Upgrade) -> Self {
        let places =
            upgrade.packages.into_iter().map(|package| Place { name: package.name, path: package.path });
        Self {
            ecosystem: upgrade.ecosystem,
            name: upgrade.name,
            from: upgrade.from,
            to: upgrade.to,
            major: upgrade.major,
            packages: places.collect(),
            clears: upgrade.clears,
        }
    }
}
