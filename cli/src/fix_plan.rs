//! `breakwater fix-plan`: which upgrades clear a policy, layer by layer, and what they leave.

use std::process::ExitCode;

use anyhow::Context;
use breakwater_advisories::{Judge, Matches, match_inventory};
use breakwater_core::Inventory;
use breakwater_core::policy::Compliance;
use chrono::{DateTime, Utc};

use crate::arguments::{FixPlan, Output};
use crate::db::MAKING_AN_INDEX;
use crate::scan::delivery::deliver;
use crate::scan::{exit, inventory, judgement, knowledge, pretty};
use crate::terminal::Page;
use document::Document;

mod document;
mod table;

pub(crate) async fn run(arguments: &FixPlan, now: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    let policy = arguments.policy.as_deref().map(judgement::read_policy).transpose()?;
    let index = knowledge::open(&arguments.knowledge, now)?
        .with_context(|| format!("a plan needs an advisory index: {MAKING_AN_INDEX}"))?;
    let inventory = inventory(&arguments.source, &arguments.reading).await?;

    let matches = match_inventory(&index, &inventory);
    let judge = policy.as_ref().map(|policy| {
        let index = &index;
        move |inventory: &Inventory, matches: &Matches| {
            judgement::judge(policy, inventory, Some(index), matches, now)
        }
    });
    let judge = judge.as_ref().map(|judge| judge as &Judge<'_>);
    let plan = breakwater_advisories::fix_plan(&index, &inventory, &matches, judge);
    let before = judge.map(|judge| judge(&inventory, &matches).compliance);
    let document = Document::of(&inventory, &matches, before, &plan);
    let text = match arguments.output {
        Output::Table => table::render(&document, Page::of_stdout()),
        Output::Json => pretty(&document)?,
    };
    deliver(&text, None)?;
    Ok(exit(plan.verdict.map_or(Compliance::Compliant, |verdict| verdict.compliance)))
}
