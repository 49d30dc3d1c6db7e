//! Conditions as kstatus reads them: `Ready` always, `Reconciling` and `Stalled` only while true.

use breakwater_core::printable;
use breakwater_crds::names::conditions::{READY, RECONCILING, STALLED};
use chrono::{DateTime, Utc};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// The longest message, in characters; the CRDs refuse longer ones.
pub const MAX_MESSAGE: usize = 1024;

/// A condition's three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    True,
    False,
    /// Not enough is known to say.
    Unknown,
}

impl Status {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Says `type_`, in its old place. `lastTransitionTime` moves only when the status flips.
///
/// `message` is made printable and cut at [`MAX_MESSAGE`]; it must not hold relative times, counters or unordered sets: they flap.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: impl Into<Status>,
    reason: &str,
    message: &str,
    generation: i64,
    now: DateTime<Utc>,
) {
    let status = status.into().as_str();
    let since =
        get(conditions, type_).filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
    let condition = Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: printable::line(message, MAX_MESSAGE),
        observed_generation: Some(generation),
        last_transition_time: since.unwrap_or_else(|| time(now)),
    };
    match conditions.iter_mut().find(|old| old.type_ == type_) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Takes `type_` back, for conditions that exist only while true.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

#[must_use]
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|condition| condition.status == Status::True.as_str())
}

/// The spec is observed and done: kstatus `Current`.
pub fn ready(
    conditions: &mut Vec<Condition>,
    reason: &str,
    message: &str,
    generation: i64,
    now: DateTime<Utc>,
) {
    remove(conditions, RECONCILING);
    remove(conditions, STALLED);
    set(conditions, READY, true, reason, message, generation, now);
}

/// Work is under way: kstatus `InProgress`.
pub fn reconciling(
    conditions: &mut Vec<Condition>,
    reason: &str,
    message: &str,
    generation: i64,
    now: DateTime<Utc>,
) {
    remove(conditions, STALLED);
    set(conditions, READY, Status::Unknown, reason, message, generation, now);
    set(conditions, RECONCILING, true, reason, message, generation, now);
}

/// Nothing will change until somebody acts: kstatus `Failed`.
pub fn stalled(
    conditions: &mut Vec<Condition>,
    reason: &str,
    message: &str,
    generation: i64,
    now: DateTime<Utc>,
) {
    remove(conditions, RECONCILING);
    set(conditions, READY, false, reason, message, generation, now);
    set(conditions, STALLED, true, reason, message, generation, now);
}

/// A moment as the API writes it, in whole seconds.
#[must_use]
pub fn time(moment: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(moment.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn transition_time_moves_only_when_the_status_flips() {
        let mut all = Vec::new();
        ready(&mut all, "Succeeded", "all is well", 1, at(100));
        ready(&mut all, "Succeeded", "all is very well", 2, at(200));
        let condition = get(&all, READY).unwrap();
        assert_eq!(
            (condition.last_transition_time.clone(), condition.observed_generation),
            (time(at(100)), Some(2))
        );
        stalled(&mut all, "InvalidSpec", "no", 3, at(300));
        assert_eq!(get(&all, READY).unwrap().last_transition_time, time(at(300)));
    }

    #[test]
    fn reconciling_and_stalled_are_there_only_while_true() {
        let mut all = Vec::new();
        reconciling(&mut all, "Progressing", "", 1, at(1));
        assert!(is_true(&all, RECONCILING) && !is_true(&all, READY));
        stalled(&mut all, "InvalidSpec", "", 1, at(2));
        assert!(is_true(&all, STALLED) && get(&all, RECONCILING).is_none());
        ready(&mut all, "Succeeded", "", 1, at(3));
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn messages_are_bounded_and_printable() {
        let mut all = Vec::new();
        ready(&mut all, "Succeeded", &"\x1b".repeat(5000), 1, at(1));
        let message = &get(&all, READY).unwrap().message;
        assert_eq!(message.chars().count(), MAX_MESSAGE);
        assert!(!message.contains('\x1b'));
    }
}
