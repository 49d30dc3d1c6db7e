//! The scanjob controller.
