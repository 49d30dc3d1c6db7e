#![no_main]
use std::cmp::Ordering;

use breakwater_advisories::VersionOrder;

// Every order is total over whatever lines there are: antisymmetric, and transitive over each three.
libfuzzer_sys::fuzz_target!(|text: &str| {
    let versions: Vec<&str> = text.lines().take(3).collect();
    for order in VersionOrder::ALL {
        for left in &versions {
            for right in &versions {
                let found = order.compare(left, right);
                assert_eq!(order.compare(right, left), found.reverse(), "{order:?} {left:?} {right:?}");
                for third in &versions {
                    if found == Ordering::Less && order.compare(right, third) == Ordering::Less {
                        assert_eq!(order.compare(left, third), Ordering::Less, "{order:?} {versions:?}");
                    }
                }
            }
        }
    }
});
