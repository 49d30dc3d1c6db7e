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
/// Globs over names of packages, workloads, tags, variables.
pub(crate) const TEXT_WITHOUT_SPACES: &str = "^[^ \\t\\r\\n]+$";
/// The reason of an exception.
pub(crate) const NOT_BLANK: &str = "[^ \\t\\r\\n]";
/// SPDX ids.
pub(crate) const LICENSE: &str = "^[A-Za-z0-9][A-Za-z0-9.+-]*$";
/// One CamelCase word of a status.
pub(crate) const WORD: &str = "^[A-Za-z][A-Za-z0-9]*$";
/// A repository without host and tag.
pub(crate) const REPOSITORY: &str = "^[a-z0-9]+([._/-]+[a-z0-9]+)*$";
/// An IANA time zone.
pub(crate) const TIME_ZONE: &str = "^[A-Za-z][A-Za-z0-9_+/-]*$";
/// The issuer of an identity.
pub(crate) const HTTPS_URL: &str = "^https://[^ \\t\\r\\n]+$";
/// An image reference, roughly.
pub(crate) const IMAGE: &str = "^[A-Za-z0-9][^ \\t\\r\\n]*$";
/// The SHA-256 of a file.
pub(crate) const SHA256: &str = "^[0-9a-f]{64}$";
/// A network in CIDR notation, roughly.
pub(crate) const NETWORK: &str = "^[0-9a-fA-F:.]+/[0-9]{1,3}$";
/// A DNS name, or all names below one.
pub(crate) const DNS_NAME: &str =
    "^([*][.])?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?([.][a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$";
const CONDITION_TYPE: &str = "^[A-Z][A-Za-z0-9]*$";
const CONDITION_REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
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
    set(text(TEXT_WITHOUT_SPACES, 253), 64)
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
    json_schema!({"type": "string", "maxLength": 64, "pattern": WORD})
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
                    "type": "string", "maxLength": 64, "pattern": CONDITION_TYPE,
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
                    "type": "string", "minLength": 1, "maxLength": 64, "pattern": CONDITION_REASON,
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
    set(text(LICENSE, 64), 256)
}

pub(crate) fn path_glob(_: &mut SchemaGenerator) -> Schema {
    text(PATH_GLOB, 253)
}

pub(crate) fn workload_api_version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["apps/v1", "batch/v1", "v1"]})
}

/// What a field without an example is said to need. No field of the three kinds is.
pub(crate) const NO_EXAMPLE: &str = "another form";

/// Returns what a pattern accepts, in words and with an example: messages show this instead of the regular expression.
pub(crate) fn example_of(pattern: &str) -> &'static str {
    match pattern {
        DURATION => "a duration of hours, minutes and seconds, for example 168h or 1h30m",
        TIME => "a time as RFC 3339 with time zone, for example 2027-01-31T00:00:00Z",
        DNS_LABEL => "lower-case letters, digits and '-', for example my-name",
        DNS_SUBDOMAIN => "lower-case letters, digits, '-' and '.', for example my-name",
        IMAGE_GLOB => "a glob over image names with registry, for example registry.example.com/team/**",
        VULNERABILITY_ID => "a vulnerability id, for example CVE-2024-3094 or GHSA-xxxx-xxxx-xxxx",
        RULE_ID => "a check id or a rule path, for example BW-VUL-001 or vulnerabilities.max",
        PLATFORM => "a platform, for example linux/amd64 or linux/arm/v7",
        CAPABILITY => "a Linux capability without CAP_, for example NET_BIND_SERVICE",
        REGISTRY_URL => {
            "the address of a registry without path and user, for example https://registry.example.com"
        }
        CVSS => "a CVSS score as a string, 0.0 to 10.0, for example \"8.9\"",
        LABEL_KEY => "a label key, for example example.com/owner",
        LABEL_VALUE => "a label value: at most 63 letters, digits, '-', '_' and '.', for example team-a",
        PUBLIC_KEY => "a PEM public key that begins with -----BEGIN PUBLIC KEY-----",
        PATH_GLOB => "an absolute path or a glob over such paths, for example /opt/app/**",
        TEXT_WITHOUT_SPACES => "text without spaces, for example batch-*",
        NOT_BLANK => "text that is not blank",
        LICENSE => "an SPDX licence id, for example MIT or AGPL-3.0-only",
        WORD => "one CamelCase word",
        REPOSITORY => "a repository without host and tag, for example team/app",
        TIME_ZONE => "an IANA time zone, for example Europe/Berlin",
        HTTPS_URL => "an address that begins with https://",
        IMAGE => "an image, for example registry.example.com/team/app:1.2",
        SHA256 => "64 hexadecimal digits in lower case",
        NETWORK => "a network as address/prefix, for example 10.0.0.0/8",
        DNS_NAME => "a DNS name, for example db.example.com or *.example.com",
        CONDITION_TYPE | CONDITION_REASON => "one CamelCase word, for example Ready",
        _ => NO_EXAMPLE,
    }
}
