//! Fields that this version accepts and does not carry out.
//!
//! Nothing is accepted and ignored: such a field is reported by its path in condition `Unsupported`. `tests/fields.rs` walks every field
//! of the three specs and fails for one that is neither listed here nor shown to be in effect.

use serde::Serialize;
use serde_json::Value;

use crate::{ImagePolicySpec, RuntimeBaselineSpec, ScanJobSpec};

/// A field, with all below it, that is not carried out.
struct Field {
    /// From the spec downwards; `[]` stands for each item of a list.
    path: &'static str,
    when: When,
}

/// The values that are not carried out.
enum When {
    Set,
    /// Any but the default, which asks for nothing.
    Not(&'static str),
    OneOf(&'static [&'static str]),
}

const fn set(path: &'static str) -> Field {
    Field { path, when: When::Set }
}

/// Rules, below `spec.rules`: a verdict that depends on one is Unknown.
const RULES: &[Field] = &[
    set("spec.rules.licenses"),
    set("spec.rules.signatures"),
    set("spec.rules.reports"),
    set("spec.rules.workload"),
    set("spec.rules.image.trustedBases"),
];

/// Fields of an ImagePolicy that leave the verdict alone.
const POLICY: &[Field] = &[
    set("spec.scan.credentials"),
    set("spec.scan.imagePullSecrets"),
    set("spec.registries[].provider"),
    set("spec.vex"),
    set("spec.riskThreshold"),
    Field { path: "spec.enforcement.build", when: When::Not("Warn") },
    Field { path: "spec.enforcement.admission", when: When::Not("Audit") },
    Field { path: "spec.enforcement.replacementPods", when: When::Not("Allow") },
    set("spec.exceptions[].vexStatus"),
    set("spec.exceptions[].justification"),
    set("spec.delegateExceptions"),
    set("spec.notify"),
    set("spec.remediation.triggers[].when.risk"),
    Field {
        path: "spec.remediation.triggers[].action",
        when: When::OneOf(&["Label", "Evidence", "Quarantine"]),
    },
    set("spec.postDeploy"),
];

/// Without a sensor a baseline is validated and its workloads are counted; nothing else of it is carried out.
const BASELINE: &[Field] = &[
    Field { path: "spec.mode", when: When::Not("Off") },
    set("spec.containers"),
    set("spec.learning"),
    set("spec.allow"),
    set("spec.deny"),
    set("spec.detectors"),
    set("spec.response"),
    set("spec.notify"),
];

impl ImagePolicySpec {
    /// The paths of the fields that this version does not carry out, in the order of the documentation.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        let spec = json(self);
        RULES.iter().chain(POLICY).flat_map(|field| field.paths(&spec)).collect()
    }

    /// The paths, below `spec.rules`, of the rules that this version does not evaluate.
    pub(crate) fn unsupported_rules(&self) -> Vec<String> {
        let spec = json(self);
        let paths = RULES.iter().flat_map(|field| field.paths(&spec));
        paths.filter_map(|path| path.strip_prefix("spec.rules.").map(str::to_owned)).collect()
    }
}

impl RuntimeBaselineSpec {
    /// The paths of the fields that this version does not carry out.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        let spec = json(self);
        BASELINE.iter().flat_map(|field| field.paths(&spec)).collect()
    }
}

impl ScanJobSpec {
    /// The paths of the fields that this version does not carry out: none.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A spec always has a JSON form: its maps have text keys and it has no floats.
fn json(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

impl Field {
    /// Where `spec` has this field with a value that is not carried out.
    fn paths(&self, spec: &Value) -> Vec<String> {
        let mut found = vec![("spec".to_owned(), spec)];
        for segment in self.path.split('.').skip(1) {
            let (name, is_list) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
            let below = found.into_iter().filter_map(|(path, value)| Some((path, value.get(name)?)));
            found = if is_list {
                let items = below.flat_map(|(path, list)| {
                    let items = list.as_array().into_iter().flatten().enumerate();
                    items.map(move |(position, item)| (format!("{path}.{name}[{position}]"), item))
                });
                items.collect()
            } else {
                below.map(|(path, value)| (format!("{path}.{name}"), value)).collect()
            };
        }
        found.into_iter().filter(|(_, value)| self.when.holds(value)).map(|(path, _)| path).collect()
    }
}

impl When {
    fn holds(&self, value: &Value) -> bool {
        let text = value.as_str().unwrap_or_default();
        match self {
            Self::Set => !value.is_null(),
            Self::Not(default) => text != *default,
            Self::OneOf(values) => values.contains(&text),
        }
    }
}
