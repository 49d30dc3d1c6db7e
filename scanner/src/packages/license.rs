//! Licences: what packages' metadata say, as SPDX expressions.

mod copyright;
mod gnu;
mod names;
mod stated;

use breakwater_core::printable;
use spdx::Expression;

pub(crate) use copyright::linked;
pub use copyright::parse as copyright;
pub(crate) use stated::Stated;

use crate::limits::{MAX_LICENSE, MAX_LICENSES};

/// The licences of a statement such as `MIT`, `GPLv2+ and BSD`, `Apache License, Version 2.0`: SPDX expressions where every part is
/// known, otherwise the statement itself, printable and at most [`MAX_LICENSE`] characters long ([`is_spdx`] tells which). At most
/// [`MAX_LICENSES`]; none for an empty statement or one that says nothing (`UNKNOWN`).
#[must_use]
pub fn spdx(text: &str) -> Vec<String> {
    let text = text.trim();
    if ["", "unknown", "none", "n/a", "noassertion"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
    {
        return Vec::new();
    }
    let raw = || vec![printable::line(text, MAX_LICENSE)];
    if text.len() > MAX_LICENSE {
        return raw();
    }
    if let Some(expression) = expression(text) {
        return vec![expression];
    }
    // Lists: all of them apply.
    [&[',', ';'][..], &[' ']]
        .into_iter()
        .find_map(|separators| {
            let parts = text.split(separators).map(str::trim).filter(|part| !part.is_empty());
            let known: Option<Vec<String>> = parts.take(MAX_LICENSES).map(expression).collect();
            known.map(unique)
        })
        .unwrap_or_else(raw)
}

/// Whether `text` is a licence expression that SPDX documents may carry (SPDX specification 2.3, annex D): ids of the list 3.29,
/// none of them deprecated.
#[must_use]
pub fn is_spdx(text: &str) -> bool {
    let is_operator =
        |word: &str| ["and", "or", "with"].iter().any(|operator| word.eq_ignore_ascii_case(operator));
    let is_upper = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    text.len() <= MAX_LICENSE
        && text
            .split(|c: char| !c.is_ascii_alphanumeric() && !"-.+:".contains(c))
            .all(|word| !is_operator(word) || is_upper(word))
        && Expression::parse(text).is_ok()
}

/// The licences of several statements, each once, at most [`MAX_LICENSES`].
pub(crate) fn of_statements<'a>(statements: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    unique(statements.into_iter().take(MAX_LICENSES).flat_map(spdx).collect())
}

fn unique(licenses: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for license in licenses {
        if out.len() < MAX_LICENSES && !out.contains(&license) {
            out.push(license);
        }
    }
    out
}

/// `text` as an expression, if every name in it is known.
fn expression(text: &str) -> Option<String> {
    if is_spdx(text) {
        return Some(text.to_owned());
    }
    if let Some(id) = names::id(text) {
        return Some(id);
    }
    let mut out = String::new();
    let mut operand = String::new();
    for token in tokens(text) {
        let operator = match token {
            "(" | ")" => token,
            "/" | "|" | "||" => " OR ",
            "&" | "&&" => " AND ",
            word if word.eq_ignore_ascii_case("or") => " OR ",
            word if word.eq_ignore_ascii_case("and") => " AND ",
            word => {
                let gap = if operand.is_empty() { "" } else { " " };
                operand.push_str(gap);
                operand.push_str(word);
                continue;
            }
        };
        flush(&mut operand, &mut out)?;
        out.push_str(operator);
    }
    flush(&mut operand, &mut out)?;
    is_spdx(&out).then_some(out)
}

/// A licence, or `LICENSE with EXCEPTION`.
fn flush(operand: &mut String, out: &mut String) -> Option<()> {
    let text = std::mem::take(operand);
    if !text.is_empty() {
        out.push_str(&if is_spdx(&text) { text } else { names::id(&text).or_else(|| excepted(&text))? });
    }
    Some(())
}

fn excepted(text: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find(" with ")?;
    let license = text.get(..at)?;
    let license = if is_spdx(license) { license.to_owned() } else { names::id(license)? };
    let whole = format!("{license} WITH {}", text.get(at + 6..)?.trim());
    is_spdx(&whole).then_some(whole)
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split_inclusive(['(', ')', '/', '|', '&', ' ', '\t', '\n']).flat_map(|part| {
        let end = part
            .char_indices()
            .last()
            .filter(|(_, last)| "()/|& \t\n".contains(*last))
            .map_or(part.len(), |(at, _)| at);
        [part.get(..end), part.get(end..)]
    });
    parts.flatten().map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
