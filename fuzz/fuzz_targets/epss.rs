#![no_main]
use breakwater_advisories::epss;

libfuzzer_sys::fuzz_target!(|csv: &[u8]| {
    assert!(epss::parse(csv).unwrap_or_default().values().all(|percentile| *percentile <= 100));
});
