//! The ScanJob controller: a question becomes a Job, what intake recorded becomes a status.

mod credentials;
mod job;
mod queue;

pub use job::{Order, SERVICE_ACCOUNT, Template, build, ended, question, requester};
