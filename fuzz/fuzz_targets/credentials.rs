#![no_main]
use std::sync::LazyLock;

use breakwater_core::ImageReference;
use breakwater_scanner::registry::Credentials;

static IMAGE: LazyLock<ImageReference> = LazyLock::new(|| "registry.test:5000/team/app:1".parse().unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(credentials) = Credentials::parse(bytes) {
        let _ = credentials.for_repository(&IMAGE);
    }
});
