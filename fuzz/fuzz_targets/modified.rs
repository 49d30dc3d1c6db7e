#![no_main]
use std::collections::HashSet;

use breakwater_advisories::changes::Listing;

libfuzzer_sys::fuzz_target!(|csv: &[u8]| {
    if let Some(listing) = Listing::parse(csv) {
        let _ = listing.changes(listing.newest().unwrap_or_default(), &HashSet::new());
    }
});
