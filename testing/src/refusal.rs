//! What the API server answers when it does not do what it was asked: a `Status` object.

use serde_json::{Value, json};

use crate::kinds::Kind;

/// A refused request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Refusal {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, reason: reason_of(code), message: message.into(), details: Value::Null }
    }

    /// The path names no kind and no object.
    pub(crate) fn unknown_path() -> Self {
        Self::new(404, "the server could not find the requested resource")
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::about(404, "NotFound", kind, name, "not found")
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::about(409, "AlreadyExists", kind, name, "already exists")
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        Self { message, ..Self::about(409, "Conflict", kind, name, "") }
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    pub(crate) fn uid(kind: &Kind, name: &str, wanted: &Value, live: &Value) -> Self {
        let show = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            show(wanted),
            show(live)
        );
        Self::conflict(kind, name, &why)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{}.{} \"{name}\" is invalid: {why}", kind.kind, kind.group);
        Self { message, ..Self::about(422, "Invalid", kind, name, "") }
    }

    pub(crate) fn expired() -> Self {
        Self { reason: "Expired", ..Self::new(410, "The resourceVersion for the provided watch is too old.") }
    }

    pub(crate) fn disruption_budget(needed: usize) -> Self {
        let cause = format!("The disruption budget needs {needed} healthy pods and has no disruption left");
        let details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        Self { details, ..Self::new(429, message) }
    }

    fn about(code: u16, reason: &'static str, kind: &Kind, name: &str, what: &str) -> Self {
        Self {
            code,
            reason,
            message: format!("{} \"{name}\" {what}", kind.qualified()),
            details: json!({"name": name, "group": kind.group, "kind": kind.plural}),
        }
    }

    pub(crate) fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details, "code": self.code,
        })
    }
}

/// `metav1.StatusReason` of a code, as `k8s.io/apimachinery/pkg/api/errors` has it.
fn reason_of(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    }
}
