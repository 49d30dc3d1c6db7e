#![no_main]
//! What programs that know credentials say: docker's helpers and the kubelet's providers.
use breakwater_scanner::registry::{helper, provider};

libfuzzer_sys::fuzz_target!(|answer: &[u8]| {
    let _ = helper::parse(answer);
    let _ = provider::parse(answer, "registry.test:5000/team/app");
});
