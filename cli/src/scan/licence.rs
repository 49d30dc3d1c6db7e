//! What a package says of its licences, in the words that documents allow.

use breakwater_core::printable;

/// Longer texts are no expression that anybody wrote; they are quoted, cut.
const MAX_LICENCE: usize = 500;

/// A licence as packages write it: an SPDX identifier in its own spelling, an SPDX expression, or any other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Licence {
    Id(&'static str),
    Expression(String),
    Named(String),
}

impl Licence {
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim();
        // Identifiers are compared without case (SPDX 2.3, annex D.2).
        let id = spdx::identifiers::LICENSES.iter().find(|licence| licence.name.eq_ignore_ascii_case(text));
        if let Some(id) = id {
            return Self::Id(id.name);
        }
        // A reference to a licence text leads nowhere in a document without that text.
        let own = text.contains("LicenseRef") || text.contains("DocumentRef");
        match spdx::Expression::parse(text) {
            Ok(expression) if !own && text.len() <= MAX_LICENCE => Self::Expression(expression.to_string()),
            _ => Self::Named(printable::line(text, MAX_LICENCE)),
        }
    }
}

/// All of them as one SPDX expression; `None` if there is none, or any is not SPDX's.
pub(crate) fn conjunction(licences: &[String]) -> Option<String> {
    let parts = licences.iter().map(|licence| match Licence::of(licence) {
        Licence::Id(id) => Some(id.to_owned()),
        Licence::Expression(expression) => Some(expression),
        Licence::Named(_) => None,
    });
    let parts: Vec<String> = parts.collect::<Option<_>>()?;
    let grouped = |part: &String| if part.contains(' ') { format!("({part})") } else { part.clone() };
    match parts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(many.iter().map(grouped).collect::<Vec<_>>().join(" AND ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Licence, conjunction};

    #[test]
    fn identifiers_expressions_and_other_words() {
        assert_eq!(Licence::of("mit"), Licence::Id("MIT"));
        assert_eq!(Licence::of("MIT OR Apache-2.0"), Licence::Expression("MIT OR Apache-2.0".into()));
        assert_eq!(Licence::of("see\nfile"), Licence::Named("see\u{fffd}file".into()));
        assert_eq!(Licence::of("LicenseRef-x"), Licence::Named("LicenseRef-x".into()));
        assert!(matches!(Licence::of(&"(".repeat(100_000)), Licence::Named(_)));
    }

    #[test]
    fn several_licences_all_apply() {
        let all =
            |texts: &[&str]| conjunction(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        assert_eq!(all(&[]), None);
        assert_eq!(all(&["MIT"]), Some("MIT".into()));
        assert_eq!(all(&["MIT OR ISC", "zlib"]), Some("(MIT OR ISC) AND Zlib".into()));
        assert_eq!(all(&["MIT", "public domain, mostly"]), None);
    }
}
