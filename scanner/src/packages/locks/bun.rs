//! `bun.lock`: JSON with comments and trailing commas; each package a list that begins with `NAME@VERSION`.

use serde::Deserialize;

use super::{
    entries::{Entries, First},
    is_released, package,
};
use crate::packages::LanguagePackage;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: Entries<First>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_json::from_slice(&plain(text)).ok()?;
    let packages = document.packages.0.iter().filter_map(|(_, First(source))| {
        let (name, version) = source.rsplit_once('@')?;
        package("npm", name, version).filter(|package| is_released(&package.version))
    });
    Some(packages.collect())
}

/// The document as JSON: comments and commas before a closing bracket become spaces.
fn plain(text: &str) -> Vec<u8> {
    let mut out = text.as_bytes().to_vec();
    let mut blank =
        |from: usize, to: usize| out.get_mut(from..to).into_iter().flatten().for_each(|byte| *byte = b' ');
    let bytes = text.as_bytes();
    let mut comma = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = match byte {
            b'"' => at + string(rest),
            b'/' if rest.starts_with(b"//") => {
                at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => {
                at + memchr::memmem::find(rest, b"*/").map_or(rest.len(), |end| end + 2)
            }
            _ => at + 1,
        };
        match byte {
            b'/' => blank(at, end),
            b',' => comma = Some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    blank(comma, comma + 1);
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at = end;
    }
    out
}

/// How long the string is that `bytes` begin with, quotes included.
fn string(bytes: &[u8]) -> usize {
    let mut is_escaped = true; // the quote that opens it
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}
