//! Package URLs (ECMA-427).

mod parse;

pub use parse::{InvalidPackageUrl, PackageUrl};

use std::fmt::Write as _;

/// `pkg:KIND/PATH@VERSION?KEY=VALUE…`; slashes of `path` divide, all else is escaped. Empty version and values are left out.
pub(super) fn purl(kind: &str, path: &str, version: &str, qualifiers: &[(&str, &str)]) -> String {
    let mut out = format!("pkg:{kind}");
    for part in path.split('/') {
        out.push('/');
        escape(part, &mut out);
    }
    if !version.is_empty() {
        out.push('@');
        escape(version, &mut out);
    }
    let mut mark = '?';
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(mark);
        out.push_str(key);
        out.push('=');
        escape(value, &mut out);
        mark = '&';
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::purl;

    #[test]
    fn parts_are_escaped_and_empty_ones_left_out() {
        assert_eq!(purl("npm", "@types/node", "1.0.0", &[]), "pkg:npm/%40types/node@1.0.0");
        assert_eq!(
            purl("deb", "debian/g++", "1:2.3+b1", &[("arch", "amd64"), ("distro", "")]),
            "pkg:deb/debian/g%2B%2B@1:2.3%2Bb1?arch=amd64"
        );
        assert_eq!(purl("golang", "stdlib", "", &[]), "pkg:golang/stdlib");
    }
}
