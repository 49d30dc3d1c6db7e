use breakwater_core::{
    policy::NamespaceScope,
    selector::{LabelSelector as Domain, Requirement},
};

use super::{policy::Home, problem::Fault, report::Report};
use crate::selector::{LabelOperator, LabelSelector};

/// Labels into requirements. Absent selects everything.
pub(super) fn labels(path: &str, selector: Option<&LabelSelector>, report: &mut Report) -> Domain {
    let Some(selector) = selector else { return Domain::default() };
    let mut requirements = Vec::new();
    for (key, value) in &selector.match_labels {
        if !is_key(key) {
            report.say(
                format!("{path}.matchLabels"),
                Fault::LabelKey(breakwater_core::printable::line(key, 100)),
            );
        }
        requirements.push(Requirement::In { key: key.clone(), values: vec![value.clone()] });
    }
    for (position, requirement) in selector.match_expressions.iter().enumerate() {
        let (key, values) = (requirement.key.clone(), requirement.values.clone());
        let wants_values = matches!(requirement.operator, LabelOperator::In | LabelOperator::NotIn);
        if wants_values == values.is_empty() {
            let fault = "values are needed for In and NotIn, and refused for Exists and DoesNotExist";
            report.say(format!("{path}.matchExpressions[{position}].values"), Fault::Contradiction(fault));
        }
        requirements.push(match requirement.operator {
            LabelOperator::In => Requirement::In { key, values },
            LabelOperator::NotIn => Requirement::NotIn { key, values },
            LabelOperator::Exists => Requirement::Exists { key },
            LabelOperator::DoesNotExist => Requirement::DoesNotExist { key },
        });
    }
    Domain(requirements)
}

/// Namespaces in scope. Only objects at home may look beyond their own.
pub(super) fn namespaces(
    path: &str,
    selector: Option<&LabelSelector>,
    home: &Home<'_>,
    report: &mut Report,
) -> NamespaceScope {
    let Some(selector) = selector else { return NamespaceScope::Own };
    if let Some(operator) = home.elsewhere() {
        report.say(path, Fault::ForeignNamespace(operator.to_owned()));
    }
    NamespaceScope::Labelled(labels(path, Some(selector), report))
}

/// Qualified names (labels, annotations): an optional DNS prefix and a name of at most 63 characters.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let edge = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let of = |text: &str, odd: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || odd.contains(c));
    (1..=63).contains(&name.len())
        && edge(name)
        && of(name, "-_.")
        && prefix.is_none_or(|prefix| {
            (1..=253).contains(&prefix.len())
                && edge(prefix)
                && of(prefix, "-.")
                && !prefix.chars().any(|c| c.is_ascii_uppercase())
        })
}
