//! Every order is total over all strings: antisymmetric, transitive, equality consistent. Sorting and searching rely on it.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::VersionOrder;

/// What looks like a version, and what does not.
fn version() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => r"([0-2]:)?[0-3v]\.[0-2](\.[0-2]0?){0,2}([.~^+_-]?(a|b|rc|alpha|beta|pre|p|post|dev|r|final|sp|x)[.-]?[0-2]?){0,2}",
        2 => r"(go)?[0-9]{1,2}(\.[0-9]{1,2}){0,4}(-[a-z0-9.]{0,5})?(\+[a-z0-9.]{0,3})?",
        1 => r"[0-9a-z.~^+:_ -]{0,8}",
        1 => ".{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn orders_are_total(a in version(), b in version(), c in version()) {
        for order in VersionOrder::ALL {
            prop_assert_eq!(order.compare(&a, &a), Ordering::Equal, "{:?}", order);
            let (ab, bc, ac) = (order.compare(&a, &b), order.compare(&b, &c), order.compare(&a, &c));
            prop_assert_eq!(order.compare(&b, &a), ab.reverse(), "{:?} {:?} {:?}", order, a, b);
            if ab == bc || bc == Ordering::Equal {
                prop_assert_eq!(ac, ab, "{:?}: {:?} {:?} {:?}", order, a, b, c);
            }
            if ab == Ordering::Equal {
                prop_assert_eq!(ac, bc, "{:?}: {:?} {:?} {:?}", order, a, b, c);
            }
        }
    }
}
