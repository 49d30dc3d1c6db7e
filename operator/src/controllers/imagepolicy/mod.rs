//! The imagepolicy controller.
