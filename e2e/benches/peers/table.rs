//! What is printed: figures side by side, and what has come of the goals.

use crate::measure::Figures;

#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    figures: Figures,
    found: Option<usize>,
}

impl Row {
    pub(crate) fn of(name: &str, figures: Figures, found: Option<usize>) -> Self {
        Self { name: name.to_owned(), figures, found }
    }
}

#[derive(Debug)]
pub(crate) struct Goal {
    name: &'static str,
    ratio: f64,
    bound: f64,
}

impl Goal {
    pub(crate) fn of(name: &'static str, ratio: f64, bound: f64) -> Self {
        Self { name, ratio, bound }
    }
}

pub(crate) fn print(rows: &[Row], what: &str, goals: &[Goal]) {
    println!("{:<28}{:>10}{:>10}{:>12}{:>10}", "", "CPU", "wall", "peak", what);
    for Row { name, figures: Figures { cpu, wall, peak }, found } in rows {
        let found = found.map_or_else(String::new, |found| found.to_string());
        println!("{name:<28}{cpu:>8.2} s{wall:>8.2} s{peak:>8.0} MiB{found:>10}");
    }
    for Goal { name, ratio, bound } in goals {
        let mark = if ratio <= bound { "met" } else { "MISSED" };
        println!("  {name:<48}{ratio:>7.3}   goal {bound:<5} {mark}");
    }
}
