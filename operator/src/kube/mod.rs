//! Glue to the API server: writing statuses, conditions, Events, the leader lease, running controllers, TLS, health, metrics, shutdown.
//! No domain rules live here.

pub mod apply;
pub mod background;
pub mod conditions;
pub mod door;
pub mod events;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod nesting;
pub mod runner;
pub mod shutdown;
pub mod termination;
pub mod tls;
