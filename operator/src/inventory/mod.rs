//! The inventory room.
