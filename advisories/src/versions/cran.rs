//! CRAN: whole numbers with `.` or `-` between them, "not a decimal number" (Writing R Extensions §1.1.1, `Version`); as
//! `compareVersion` of R's utils has it, what is equal so far and longer is later.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    version.split(['.', '-']).all(numbers::is_number)
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    match (is_version(left), is_version(right)) {
        (true, true) => compare_numbers(left, right),
        (false, false) => left.cmp(right),
        (left, right) => left.cmp(&right),
    }
}

fn compare_numbers(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split(['.', '-']), right.split(['.', '-']));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(left), Some(right)) => numbers::compare(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
