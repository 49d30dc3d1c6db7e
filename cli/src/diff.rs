//! `breakwater diff`: two images, and what changed from one to the other.

use std::process::ExitCode;

use breakwater_advisories::match_inventory;
use chrono::{DateTime, Utc};

use crate::VIOLATED;
use crate::arguments::{Diff, Output};
use crate::db::MAKING_AN_INDEX;
use crate::scan::delivery::deliver;
use crate::scan::{inventory, knowledge, pretty};
use crate::terminal::Page;
use difference::{Difference, Side};

mod difference;
mod table;

pub(crate) async fn run(arguments: &Diff, now: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    let index = knowledge::open(&arguments.knowledge, now)?;
    anyhow::ensure!(
        index.is_some() || arguments.fail_on_new.is_none(),
        "--fail-on-new needs an advisory index: {MAKING_AN_INDEX}"
    );
    let before = inventory(&arguments.before, &arguments.reading).await?;
    let after = inventory(&arguments.after, &arguments.reading).await?;
    let matches = [&before, &after]
        .map(|inventory| index.as_ref().map(|index| match_inventory(index, inventory).findings));
    let [was, is] = matches;
    let difference = Difference::of(
        Side { inventory: &before, findings: was.as_deref() },
        Side { inventory: &after, findings: is.as_deref() },
    );
    let text = match arguments.output {
        Output::Table => table::render(&difference, Page::of_stdout()),
        Output::Json => pretty(&difference)?,
    };
    deliver(&text, None)?;
    let worst = difference.worst_new();
    let fails =
        arguments.fail_on_new.is_some_and(|level| worst.is_some_and(|worst| worst >= level.severity()));
    Ok(if fails { ExitCode::from(VIOLATED) } else { ExitCode::SUCCESS })
}
