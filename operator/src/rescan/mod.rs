//! The rescan room.
