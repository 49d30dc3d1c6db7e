//! The workloads room.
