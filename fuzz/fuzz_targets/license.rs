#![no_main]
//! What is recognised stays as it is.
use breakwater_scanner::packages::license::{copyright, is_spdx, spdx};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for license in spdx(text) {
        assert!(!is_spdx(&license) || spdx(&license) == [license]);
    }
    let _ = copyright(text);
});
