#![no_main]
use breakwater_scanner::packages::{
    distribution::ecosystem,
    os_release::{alpine_branch, parse},
};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let system = parse(text);
    assert!(!ecosystem(system.as_ref(), alpine_branch(text).as_deref()).is_empty());
});
