//! Workload × image × policy → verdicts: the one place where running workloads are judged.

mod verdicts;

pub use verdicts::{JudgedWorkload, Verdicts};
