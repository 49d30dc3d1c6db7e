//! Each test names in a comment the rule or the acceptance test that it guards; `docs/safeguards.md` lists the guards.

mod faults;
mod holders;
mod limits;
mod notices;
mod opt_ins;
mod pods;
mod releases;
mod replicas;
