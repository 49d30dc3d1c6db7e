//! Which upgrades mend an image: the fewest that make a verdict as good as upgrades can make it, or all that mend anything.
//!
//! Pure: a plan is tried on a copy of the inventory, which is matched and judged anew. What the plan promises is what that showed.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::inventory::Package;
use breakwater_core::policy::{Effect, Verdict};
use breakwater_core::{Finding, Inventory};

use crate::ecosystem::Naming;
use crate::{Index, Matches, VersionOrder, ecosystem, match_inventory};
pub use command::commands;

mod command;
#[cfg(test)]
mod tests;

/// How often a version that mends is itself looked up: fixes can bring vulnerabilities of their own.
const MAX_STEPS: usize = 16;
/// How many versions of one package are tried on the way to the least that will do.
const MAX_VERSIONS: usize = 32;

/// What is said of an inventory and what was found in it.
pub type Judge<'a> = dyn Fn(&Inventory, &Matches) -> Verdict + 'a;

/// Upgrades, and what they come to.
#[derive(Debug, Clone, PartialEq)]
pub struct FixPlan {
    /// Sorted by ecosystem and name.
    pub upgrades: Vec<Upgrade>,
    /// The inventory with all upgrades applied.
    pub after: Inventory,
    /// What is found in [`FixPlan::after`].
    pub matches: Matches,
    /// What is said of [`FixPlan::after`]. Absent: nothing judges.
    pub verdict: Option<Verdict>,
}

/// One package, brought to another version wherever it is installed. Packages of one source are upgraded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    pub ecosystem: String,
    /// Of the source package, where advisories speak of sources; else the package's own.
    pub name: String,
    pub from: String,
    pub to: String,
    /// Whether the first number of the version changes: interfaces may have changed with it.
    pub major: bool,
    /// The installed packages, as they are now.
    pub packages: Vec<Package>,
    /// Ids of the findings that it clears, sorted.
    pub clears: Vec<String>,
}

/// Plans for `inventory`, in which `matches` were found. `judge` is the verdict that is to be made good; without it, every finding that
/// an upgrade mends is to go.
#[must_use]
pub fn fix_plan(
    index: &Index,
    inventory: &Inventory,
    matches: &Matches,
    judge: Option<&Judge<'_>>,
) -> FixPlan {
    let planning = Planning { index, inventory, steps: steps(index, inventory, matches) };
    let mut chosen: BTreeMap<usize, usize> =
        planning.steps.iter().enumerate().map(|(place, step)| (place, step.versions.len() - 1)).collect();
    if let Some(judge) = judge {
        planning.reduce(&mut chosen, judge);
    }
    planning.finish(matches, &chosen, judge)
}

/// A package that can be upgraded, and the versions that may do.
struct Step {
    /// Places in the inventory.
    packages: Vec<usize>,
    order: VersionOrder,
    name: String,
    from: String,
    /// In ascending order, never empty. With the last of them nothing that an upgrade mends is left.
    versions: Vec<String>,
    /// How many findings it has.
    findings: usize,
}

/// What is upgraded as one.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key(package: &Package) -> Key<'_> {
    match &package.source {
        Some(source) if ecosystem::naming(&package.ecosystem) == Naming::Source => {
            (&package.ecosystem, &source.name, &source.version)
        }
        _ => (&package.ecosystem, &package.name, &package.version),
    }
}

/// A step for every package with a finding that an upgrade mends.
fn steps(index: &Index, inventory: &Inventory, matches: &Matches) -> Vec<Step> {
    let mut places: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    let mut keys: BTreeMap<Key<'_>, BTreeSet<Key<'_>>> = BTreeMap::new();
    for (place, package) in inventory.packages.iter().enumerate() {
        places.entry(key(package)).or_default().push(place);
        let installed = (package.ecosystem.as_str(), package.name.as_str(), package.version.as_str());
        keys.entry(installed).or_default().insert(key(package));
    }
    let mut found: BTreeMap<Key<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in &matches.findings {
        let affected = &finding.package;
        let installed = (affected.ecosystem.as_str(), affected.name.as_str(), affected.version.as_str());
        for &key in keys.get(&installed).into_iter().flatten() {
            found.entry(key).or_default().push(finding);
        }
    }
    let step = |(key, findings): (Key<'_>, Vec<&Finding>)| {
        let (ecosystem, name, from) = key;
        let order = ecosystem::order(ecosystem)?;
        let packages = places.get(&key)?.clone();
        let versions = versions(index, inventory, order, from, &packages, &findings);
        (!versions.is_empty()).then(|| Step {
            packages,
            order,
            name: name.to_owned(),
            from: from.to_owned(),
            versions,
            findings: findings.len(),
        })
    };
    found.into_iter().filter_map(step).collect()
}

/// The versions named as fixes; then, as long as the last of them has findings that a later one mends, those.
fn versions(
    index: &Index,
    inventory: &Inventory,
    order: VersionOrder,
    from: &str,
    packages: &[usize],
    findings: &[&Finding],
) -> Vec<String> {
    let fixes = |findings: &[&Finding]| -> Vec<String> {
        findings.iter().filter_map(|finding| finding.fixed.clone()).collect()
    };
    let later = |version: &String| order.knows(version) && order.compare(version, from).is_gt();
    let mut known: Vec<String> = fixes(findings).into_iter().filter(later).collect();
    for _ in 0..MAX_STEPS {
        known.sort_by(|left, right| order.compare(left, right));
        known.dedup();
        let Some(last) = known.last() else { break };
        let there = match_inventory(index, &upgraded(inventory, packages, last));
        let more: Vec<String> = fixes(&there.findings.iter().collect::<Vec<_>>())
            .into_iter()
            .filter(|version| order.knows(version) && order.compare(version, last).is_gt())
            .collect();
        if more.is_empty() {
            break;
        }
        known.extend(more);
    }
    // The last is the one that mends all; of too many, those nearest to it are kept.
    known.split_off(known.len().saturating_sub(MAX_VERSIONS))
}

/// Only these packages, at another version.
fn upgraded(inventory: &Inventory, packages: &[usize], version: &str) -> Inventory {
    let moved = packages
        .iter()
        .filter_map(|place| inventory.packages.get(*place))
        .map(|package| moved(package, version));
    Inventory { packages: moved.collect(), ..without_packages(inventory) }
}

fn without_packages(inventory: &Inventory) -> Inventory {
    let mut bare = inventory.clone();
    bare.packages = Vec::new();
    bare
}

fn moved(package: &Package, version: &str) -> Package {
    let mut package = package.clone();
    if !has_own_version(&package) {
        version.clone_into(&mut package.version);
    }
    if let Some(source) = &mut package.source {
        version.clone_into(&mut source.version);
    }
    package
}

/// Whether advisories speak of the source's version, and the binary package has another: which one it will have is not known then.
fn has_own_version(package: &Package) -> bool {
    let by_source = ecosystem::naming(&package.ecosystem) == Naming::Source;
    by_source && package.source.as_ref().is_some_and(|source| source.version != package.version)
}

struct Planning<'a> {
    index: &'a Index,
    inventory: &'a Inventory,
    steps: Vec<Step>,
}

impl Planning<'_> {
    fn apply(&self, chosen: &BTreeMap<usize, usize>) -> (Inventory, Matches) {
        let mut after = self.inventory.clone();
        for (step, version) in chosen.iter().filter_map(|(step, version)| {
            let step = self.steps.get(*step)?;
            Some((step, step.versions.get(*version)?))
        }) {
            for place in &step.packages {
                if let Some(package) = after.packages.get_mut(*place) {
                    *package = moved(package, version);
                }
            }
        }
        let matches = match_inventory(self.index, &after);
        (after, matches)
    }

    /// Leaves out every upgrade, and lowers every version, without which the verdict is as good. What has fewest findings goes first.
    fn reduce(&self, chosen: &mut BTreeMap<usize, usize>, judge: &Judge<'_>) {
        // With what was observed: a rule that stays violated is still broken by less.
        let held = |verdict: &Verdict| -> BTreeSet<String> {
            let against = verdict.checks.iter().filter(|check| check.effect >= Effect::Unknown);
            against
                .map(|check| format!("{} {}: {}; {}", check.id, check.rule, check.allowed, check.observed))
                .collect()
        };
        let best = {
            let (after, matches) = self.apply(chosen);
            held(&judge(&after, &matches))
        };
        let does = |planning: &Self, chosen: &BTreeMap<usize, usize>| {
            let (after, matches) = planning.apply(chosen);
            held(&judge(&after, &matches)).is_subset(&best)
        };
        let mut steps: Vec<usize> = chosen.keys().copied().collect();
        steps.sort_by_key(|place| self.steps.get(*place).map(|step| step.findings));
        for place in steps {
            let Some(last) = chosen.remove(&place) else { continue };
            if does(self, chosen) {
                continue;
            }
            let least = (0..last).find(|version| {
                chosen.insert(place, *version);
                does(self, chosen)
            });
            chosen.insert(place, least.unwrap_or(last));
        }
    }

    fn finish(self, before: &Matches, chosen: &BTreeMap<usize, usize>, judge: Option<&Judge<'_>>) -> FixPlan {
        let (after, matches) = self.apply(chosen);
        let upgrades = chosen.iter().filter_map(|(step, version)| {
            let step = self.steps.get(*step)?;
            let to = step.versions.get(*version)?;
            let packages: Vec<Package> = step
                .packages
                .iter()
                .filter_map(|place| self.inventory.packages.get(*place))
                .cloned()
                .collect();
            let left: BTreeSet<(&str, &str)> = matches
                .findings
                .iter()
                .map(|finding| (finding.id.as_str(), finding.package.name.as_str()))
                .collect();
            let of = |finding: &&Finding| {
                packages.iter().any(|package| {
                    package.name == finding.package.name
                        && package.version == finding.package.version
                        && package.ecosystem == finding.package.ecosystem
                })
            };
            let cleared = before
                .findings
                .iter()
                .filter(of)
                .filter(|finding| !left.contains(&(finding.id.as_str(), finding.package.name.as_str())));
            let clears: BTreeSet<String> = cleared.map(|finding| finding.id.clone()).collect();
            Some(Upgrade {
                ecosystem: packages.first()?.ecosystem.clone(),
                name: step.name.clone(),
                from: step.from.clone(),
                to: to.clone(),
                major: is_major(step.order, &step.from, to),
                packages,
                clears: clears.into_iter().collect(),
            })
        });
        let upgrades = upgrades.collect();
        let verdict = judge.map(|judge| judge(&after, &matches));
        FixPlan { upgrades, after, matches, verdict }
    }
}

/// Distributions keep interfaces within a release; elsewhere the first number tells.
fn is_major(order: VersionOrder, from: &str, to: &str) -> bool {
    let number = |version: &str| -> String {
        let version = version.trim_start_matches(|c: char| !c.is_ascii_digit());
        version.chars().take_while(char::is_ascii_digit).collect()
    };
    !matches!(order, VersionOrder::Dpkg | VersionOrder::Apk | VersionOrder::Rpm) && number(from) != number(to)
}
