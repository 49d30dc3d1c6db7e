//! The mitigation room.
