//! The runtimebaseline controller.
