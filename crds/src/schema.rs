//! Fragments of OpenAPI schema that several fields share, so that one idea has one bound.
//!
//! The API server enforces these before the operator ever sees an object. Patterns are RE2 and cost nothing of the CEL budget.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

/// Durations: hours, minutes, seconds, in this order, each at most once (`168h`, `1h30m`, `45s`). Days are refused, as Go and CEL do.
pub(crate) const DURATION: &str = "^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$";
/// RFC 3339 with a time zone.
pub(crate) const TIME: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$";
/// RFC 1123 label.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
/// RFC 1123 subdomain: what Secrets and ServiceAccounts are called.
pub(crate) const DNS_SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A glob over canonical image names: begins with `*`, or names a registry and a repository.
pub(crate) const IMAGE_GLOB: &str = "^([*][A-Za-z0-9*?.:/_-]*|[A-Za-z0-9*?.:_-]+/[A-Za-z0-9*?.:/_-]+)$";
/// CVE ids strictly (CVE-YYYY-NNNN…); ids of other sources (GHSA-…, DSA-…, RUSTSEC-…) by their shape.
pub(crate) const VULNERABILITY_ID: &str = "^(CVE-[0-9]{4}-[0-9]{4,19}|([ABD-Zabd-z][A-Za-z0-9]*|C[A-UW-Za-uw-z][A-Za-z0-9]*)-[A-Za-z0-9][A-Za-z0-9.:_-]*)$";
/// A check id (`BW-VUL-001`) or the path of a rule below `spec.rules` (`vulnerabilities.max`).
pub(crate) const RULE_ID: &str = "^(BW-[A-Z]{2,4}-[0-9]{3}|[a-z][A-Za-z]*([.][A-Za-z]+)*)$";
/// `os/architecture[/variant]`.
pub(crate) const PLATFORM: &str = "^[a-z0-9_.-]{1,30}/[a-z0-9_.-]{1,30}(/[a-z0-9_.-]{1,30})?$";
/// Linux capabilities as pod specs write them, without `CAP_`.
pub(crate) const CAPABILITY: &str = "^[A-Z][A-Z0-9_]{1,30}$";
/// `https://host[:port]`, no path, no user.
pub(crate) const REGISTRY_URL: &str =
    "^https://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?/?$";
/// A CVSS base score, 0.0 to 10.0, one decimal at most.
pub(crate) const CVSS: &str = "^(10([.]0)?|[0-9]([.][0-9])?)$";
/// The key of a label or annotation (`example.com/owner`).
pub(crate) const LABEL_KEY: &str =
    "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// The value of a label; may be empty.
pub(crate) const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$";
/// A PEM public key.
pub(crate) const PUBLIC_KEY: &str =
    "^-----BEGIN PUBLIC KEY-----\\n[A-Za-z0-9+/=\\n]+-----END PUBLIC KEY-----\\n?$";
/// A container image file path or a glob over such paths.
pub(crate) const PATH_GLOB: &str = "^[/*][^ \\t\\r\\n]*$";

fn text(pattern: &str, max: u32) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": pattern})
}

fn set(item: Schema, max: u32) -> Schema {
    json_schema!({"type": "array", "maxItems": max, "items": item, "x-kubernetes-list-type": "set"})
}

pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 2, "maxLength": 18, "pattern": DURATION})
}

pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 40, "pattern": TIME})
}

pub(crate) fn dns_label(_: &mut SchemaGenerator) -> Schema {
    text(DNS_LABEL, 63)
}

pub(crate) fn dns_labels(generator: &mut SchemaGenerator) -> Schema {
    set(dns_label(generator), 16)
}

pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    text(DNS_SUBDOMAIN, 253)
}

pub(crate) fn image_globs(_: &mut SchemaGenerator) -> Schema {
    set(text(IMAGE_GLOB, 253), 64)
}

pub(crate) fn globs(_: &mut SchemaGenerator) -> Schema {
    set(text("^[^ \\t\\r\\n]+$", 253), 64)
}

pub(crate) fn path_globs(_: &mut SchemaGenerator) -> Schema {
    set(text(PATH_GLOB, 253), 64)
}

pub(crate) fn vulnerability_ids(_: &mut SchemaGenerator) -> Schema {
    set(text(VULNERABILITY_ID, 100), 256)
}

pub(crate) fn rule_ids(_: &mut SchemaGenerator) -> Schema {
    set(text(RULE_ID, 64), 64)
}

pub(crate) fn platforms(_: &mut SchemaGenerator) -> Schema {
    set(text(PLATFORM, 92), 16)
}

pub(crate) fn capabilities(_: &mut SchemaGenerator) -> Schema {
    set(text(CAPABILITY, 31), 64)
}

pub(crate) fn users(_: &mut SchemaGenerator) -> Schema {
    let user =
        json_schema!({"type": "integer", "format": "int64", "minimum": 0, "maximum": 4_294_967_295_i64});
    set(user, 64)
}

pub(crate) fn registry_url(_: &mut SchemaGenerator) -> Schema {
    text(REGISTRY_URL, 270)
}

pub(crate) fn registry_urls(generator: &mut SchemaGenerator) -> Schema {
    set(registry_url(generator), 8)
}

pub(crate) fn label_keys(_: &mut SchemaGenerator) -> Schema {
    set(text(LABEL_KEY, 317), 16)
}

pub(crate) fn label_key(_: &mut SchemaGenerator) -> Schema {
    text(LABEL_KEY, 317)
}

pub(crate) fn label_values(_: &mut SchemaGenerator) -> Schema {
    set(json_schema!({"type": "string", "maxLength": 63, "pattern": LABEL_VALUE}), 64)
}

pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
    })
}

pub(crate) fn cvss(_: &mut SchemaGenerator) -> Schema {
    text(CVSS, 4)
}

pub(crate) fn public_key(_: &mut SchemaGenerator) -> Schema {
    text(PUBLIC_KEY, 4096)
}

/// 0 to 100.
pub(crate) fn percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 100})
}

/// A count that cannot be negative.
pub(crate) fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0})
}

pub(crate) fn severity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["Unknown", "Low", "Medium", "High", "Critical"]})
}

/// Any JSON object. What is inside belongs to another API and is checked by it.
pub(crate) fn foreign_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// One CamelCase word.
pub(crate) fn word(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 64, "pattern": "^[A-Za-z][A-Za-z0-9]*$"})
}

/// Kinds of top owners.
pub(crate) fn workload_kind(_: &mut SchemaGenerator) -> Schema {
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"];
    json_schema!({"type": "string", "enum": kinds})
}

/// Ids of checks or exceptions, as statuses list them.
pub(crate) fn short_texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 16, "items": {"type": "string", "maxLength": 40}})
}

/// `metav1.Condition` with its own bounds, one per type.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "What is true or not, in CamelCase.",
                    "type": "string", "maxLength": 64, "pattern": "^[A-Z][A-Za-z0-9]*$",
                },
                "status": {
                    "description": "True, False or Unknown.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "The metadata.generation this was said about.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When status last changed.",
                    "type": "string", "format": "date-time", "maxLength": 40,
                },
                "reason": {
                    "description": "Why, as one CamelCase word that programs may rely on.",
                    "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "Why, for people, with what to do about it.",
                    "type": "string", "maxLength": 1024,
                },
            },
        },
    })
}

/// What a fresh object's status says before anybody looked: not observed, hence in progress.
pub(crate) fn fresh_status() -> serde_json::Value {
    json!({"observedGeneration": -1})
}

/// Kinds that can be scaled to zero or suspended. DaemonSets never are.
pub(crate) fn remediable_kinds(_: &mut SchemaGenerator) -> Schema {
    set(json_schema!({"type": "string", "enum": ["Deployment", "StatefulSet", "CronJob"]}), 3)
}

pub(crate) fn software_sets(_: &mut SchemaGenerator) -> Schema {
    let sets = ["PackageManagers", "NetworkTools", "Shells", "Compilers", "Debuggers"];
    set(json_schema!({"type": "string", "enum": sets}), 5)
}

/// SPDX licence ids.
pub(crate) fn licenses(_: &mut SchemaGenerator) -> Schema {
    set(text("^[A-Za-z0-9][A-Za-z0-9.+-]*$", 64), 256)
}

pub(crate) fn path_glob(_: &mut SchemaGenerator) -> Schema {
    text(PATH_GLOB, 253)
}

pub(crate) fn workload_api_version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["apps/v1", "batch/v1", "v1"]})
}
