//! OSV's evaluation of one range (schema, "Evaluation"): ordered events decide whether a version is affected, and what mends it.

use std::cmp::Ordering;

use crate::VersionOrder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    Introduced,
    Fixed,
    LastAffected,
    Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) kind: EventKind,
    pub(crate) version: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement<'a> {
    NotAffected,
    /// With the lowest version of this range that mends it, where there is one.
    Affected {
        fixed: Option<&'a str>,
    },
}

/// Puts events in version order. `introduced: 0` is before everything; events at one version keep the record's order.
pub(crate) fn sort(order: VersionOrder, events: &mut [Event<'_>]) {
    events.sort_by(|left, right| match (is_beginning(left), is_beginning(right)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => order.compare(left.version, right.version),
    });
}

/// Judges `version` by sorted events; `compare` is the ecosystem's order.
pub(crate) fn judge<'a>(
    version: &str,
    events: impl Iterator<Item = Event<'a>>,
    compare: impl Fn(&str, &str) -> Ordering,
) -> Judgement<'a> {
    let mut vulnerable = false;
    let mut fixed = None;
    let (mut limited, mut within_limit) = (false, false);
    for event in events {
        let reached = is_beginning(&event) || compare(version, event.version) != Ordering::Less;
        match event.kind {
            EventKind::Introduced if reached => vulnerable = true,
            EventKind::Fixed if reached => vulnerable = false,
            EventKind::Fixed if vulnerable && fixed.is_none() => fixed = Some(event.version),
            EventKind::LastAffected if compare(version, event.version) == Ordering::Greater => {
                vulnerable = false
            }
            EventKind::Limit => {
                limited = true;
                within_limit |= event.version == "*" || !reached;
            }
            EventKind::Introduced | EventKind::Fixed | EventKind::LastAffected => {}
        }
    }
    if vulnerable && (within_limit || !limited) {
        Judgement::Affected { fixed }
    } else {
        Judgement::NotAffected
    }
}

fn is_beginning(event: &Event<'_>) -> bool {
    event.kind == EventKind::Introduced && event.version == "0"
}

#[cfg(test)]
mod tests {
    use super::{
        Event,
        EventKind::{self, Fixed, Introduced, LastAffected, Limit},
        Judgement, judge, sort,
    };
    use crate::VersionOrder::Semver;

    fn verdict(version: &str, events: &[(EventKind, &'static str)]) -> Judgement<'static> {
        let mut events: Vec<_> = events.iter().map(|&(kind, version)| Event { kind, version }).collect();
        sort(Semver, &mut events);
        judge(version, events.into_iter(), |left, right| Semver.compare(left, right))
    }

    const fn fixed(version: &'static str) -> Judgement<'static> {
        Judgement::Affected { fixed: Some(version) }
    }

    #[test]
    fn fixed_is_exclusive_and_last_affected_inclusive() {
        let range = [(Introduced, "1.0.0"), (Fixed, "1.2.0")];
        assert_eq!(verdict("0.9.0", &range), Judgement::NotAffected);
        assert_eq!(verdict("1.0.0", &range), fixed("1.2.0"));
        assert_eq!(verdict("1.2.0", &range), Judgement::NotAffected);
        let range = [(Introduced, "1.0.0"), (LastAffected, "1.2.0")];
        assert_eq!(verdict("1.2.0", &range), Judgement::Affected { fixed: None });
        assert_eq!(verdict("1.2.1", &range), Judgement::NotAffected);
    }

    #[test]
    fn several_intervals_in_any_order_of_the_record() {
        let range = [(Fixed, "2.3.0"), (Introduced, "2.0.0"), (Fixed, "1.5.0"), (Introduced, "0")];
        assert_eq!(verdict("1.0.0", &range), fixed("1.5.0"));
        assert_eq!(verdict("1.7.0", &range), Judgement::NotAffected);
        assert_eq!(verdict("2.1.0", &range), fixed("2.3.0"));
        assert_eq!(verdict("3.0.0", &range), Judgement::NotAffected);
    }

    #[test]
    fn zero_is_before_pre_releases() {
        assert_eq!(verdict("0.0.0-alpha", &[(Introduced, "0"), (Fixed, "1.0.0")]), fixed("1.0.0"));
    }

    #[test]
    fn a_limit_ends_the_range() {
        let range = [(Introduced, "1.0.0"), (Limit, "2.0.0")];
        assert_eq!(verdict("1.5.0", &range), Judgement::Affected { fixed: None });
        assert_eq!(verdict("2.0.0", &range), Judgement::NotAffected);
        assert_eq!(
            verdict("9.0.0", &[(Introduced, "1.0.0"), (Limit, "*")]),
            Judgement::Affected { fixed: None }
        );
    }

    #[test]
    fn an_interval_that_ends_where_it_begins_is_empty() {
        assert_eq!(verdict("1.0.0", &[(Introduced, "1.0.0"), (Fixed, "1.0.0")]), Judgement::NotAffected);
        assert_eq!(verdict("5.0.0", &[(Introduced, "1.0.0"), (Fixed, "1.0.0")]), Judgement::NotAffected);
    }
}
