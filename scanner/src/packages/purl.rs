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

/// The package URL of a language's package, by its OSV ecosystem and its name there (the types' rules: purl-spec, `types/`).
pub(super) fn of_language(ecosystem: &str, name: &str, version: &str, qualifiers: &[(&str, &str)]) -> String {
    let kind = match ecosystem {
        "crates.io" => "cargo",
        "Packagist" => "composer",
        "ConanCenter" => "conan",
        "RubyGems" => "gem",
        "Go" => "golang",
        "Hex" => "hex",
        "Maven" => return purl("maven", &name.replacen(':', "/", 1), version, qualifiers),
        "npm" => "npm",
        "NuGet" => "nuget",
        "Pub" => "pub",
        "PyPI" => "pypi",
        "SwiftURL" => "swift",
        _ => "generic",
    };
    purl(kind, name, version, qualifiers)
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
    use serde_json::Value;

    use super::{of_language, purl};

    /// The specification's own cases for building a package URL of its parts, but for those with a subpath, which none of ours has.
    #[test]
    fn the_specification_builds_the_same() {
        let mut count = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/purl")).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with("-test.json") {
                continue;
            }
            let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let is_ours = |case: &&Value| {
                case["test_type"] == "build"
                    && case["expected_failure"] == false
                    && case["input"]["subpath"].is_null()
            };
            for case in cases["tests"].as_array().unwrap().iter().filter(is_ours) {
                let part = |name: &str| case["input"][name].as_str().unwrap_or_default();
                let path = format!("{}/{}", part("namespace"), part("name"));
                let qualifiers = case["input"]["qualifiers"].as_object().into_iter().flatten();
                let mut qualifiers: Vec<_> =
                    qualifiers.map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
                qualifiers.sort_unstable();
                let built = purl(part("type"), path.trim_start_matches('/'), part("version"), &qualifiers);
                assert_eq!(built, case["expected_output"].as_str().unwrap());
                count += 1;
            }
        }
        assert!(count >= 50, "{count}");
    }

    #[test]
    fn ecosystems_have_types() {
        for (ecosystem, name, expected) in [
            ("Maven", "org.apache.commons:io", "pkg:maven/org.apache.commons/io@1"),
            ("Go", "github.com/gorilla/context", "pkg:golang/github.com/gorilla/context@1"),
            ("SwiftURL", "github.com/Alamofire/Alamofire", "pkg:swift/github.com/Alamofire/Alamofire@1"),
            ("npm", "@angular/animation", "pkg:npm/%40angular/animation@1"),
        ] {
            assert_eq!(of_language(ecosystem, name, "1", &[]), expected);
        }
    }

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
