//! The Events about a policy: what became true since its last status. Pure.

use breakwater_crds::{
    ImagePolicyStatus,
    names::{
        conditions::{COMPLIANT, STALLED, UNSUPPORTED},
        reasons,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::kube::{conditions, events::Kind};

/// An Event to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) kind: Kind,
    pub(super) reason: String,
    pub(super) action: &'static str,
    pub(super) note: String,
}

/// The Events that `after` calls for where `before` was the status.
pub(super) fn notices(before: Option<&ImagePolicyStatus>, after: &ImagePolicyStatus) -> Vec<Notice> {
    let none = ImagePolicyStatus::default();
    let before = before.unwrap_or(&none);
    let of = |status, type_| conditions::get(status, type_);
    let mut notices = Vec::new();
    // An invalid spec and fields without effect: said once for each wording, which names the paths.
    for (type_, action) in [(STALLED, "Validate"), (UNSUPPORTED, "Validate")] {
        let (old, new) = (of(&before.conditions, type_), of(&after.conditions, type_));
        if let Some(new) = new.filter(|new| old.is_none_or(|old| old.message != new.message)) {
            notices.push(notice(Kind::Warning, new, action));
        }
    }
    let names = |status: &ImagePolicyStatus| {
        status.exceptions.as_ref().map(|totals| totals.ended.clone()).unwrap_or_default()
    };
    let known = names(before);
    let ended: Vec<String> = names(after).into_iter().filter(|name| !known.contains(name)).collect();
    if !ended.is_empty() {
        notices.push(Notice {
            kind: Kind::Warning,
            reason: reasons::EXCEPTION_EXPIRED.to_owned(),
            action: "Validate",
            note: format!(
                "no longer in effect: exceptions {}; renew expiresAt or remove them",
                ended.join(", ")
            ),
        });
    }
    let (old, new) = (of(&before.conditions, COMPLIANT), of(&after.conditions, COMPLIANT));
    if let Some(new) =
        new.filter(|new| new.reason != reasons::JUDGING && old.is_none_or(|old| old.status != new.status))
    {
        let kind = if new.status == "False" { Kind::Warning } else { Kind::Normal };
        notices.push(notice(kind, new, "Evaluate"));
    }
    notices
}

fn notice(kind: Kind, condition: &Condition, action: &'static str) -> Notice {
    Notice { kind, reason: condition.reason.clone(), action, note: condition.message.clone() }
}

#[cfg(test)]
mod tests {
    use breakwater_crds::imagepolicy::ExceptionTotals;

    use super::*;
    use crate::kube::conditions::Status;

    fn with(type_: &str, status: Status, reason: &str, message: &str) -> ImagePolicyStatus {
        let mut after = ImagePolicyStatus::default();
        conditions::set(&mut after.conditions, type_, status, reason, message, 1, Default::default());
        after
    }

    #[test]
    fn an_invalid_spec_is_a_warning_with_path_and_reason_once() {
        let message = "spec.exceptions[0].rules[0]: unknown rule or check";
        let stalled = with(STALLED, Status::True, reasons::INVALID_SPEC, message);
        let notices_of = notices(None, &stalled);
        let [notice] = notices_of.as_slice() else { panic!("{notices_of:?}") };
        assert_eq!(
            (notice.kind, notice.reason.as_str(), notice.note.as_str()),
            (Kind::Warning, "InvalidSpec", message)
        );
        assert_eq!(notices(Some(&stalled), &stalled), []);
        let other = with(STALLED, Status::True, reasons::INVALID_SPEC, "spec.schedule: …");
        assert_eq!(notices(Some(&stalled), &other).len(), 1);
    }

    #[test]
    fn an_exception_that_is_over_is_named_once() {
        let ended = |names: &[&str]| ImagePolicyStatus {
            exceptions: Some(ExceptionTotals {
                ended: names.iter().map(|name| (*name).to_owned()).collect(),
                ..ExceptionTotals::default()
            }),
            ..ImagePolicyStatus::default()
        };
        let first = notices(None, &ended(&["old"]));
        assert_eq!((first.len(), first[0].reason.as_str()), (1, "ExceptionExpired"));
        assert!(first[0].note.contains("exceptions old;"), "{first:?}");
        assert_eq!(notices(Some(&ended(&["old"])), &ended(&["old"])), []);
    }

    #[test]
    fn a_verdict_that_flips_is_said_and_the_time_until_it_is_known_is_not() {
        let of = |status, reason| with(COMPLIANT, status, reason, "m");
        assert_eq!(notices(None, &of(Status::Unknown, reasons::JUDGING)), []);
        let flips = notices(Some(&of(Status::Unknown, reasons::JUDGING)), &of(Status::False, "Violations"));
        assert_eq!((flips.len(), flips[0].kind), (1, Kind::Warning));
        assert_eq!(notices(Some(&of(Status::True, "Passed")), &of(Status::True, "Passed")), []);
    }
}
