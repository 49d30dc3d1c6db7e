//! R: the `DESCRIPTION` of an installed package.

use super::{LanguagePackage, license, name, purl::purl, version};

/// The package that `text` describes; `None` for sources that are not installed and for what is part of R itself.
#[must_use]
pub fn parse(text: &str) -> Option<LanguagePackage> {
    let field = |wanted: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(wanted)?.strip_prefix(':'))
            .map(str::trim)
            .filter(|v| !v.is_empty())
    };
    // R adds `Built` when it installs.
    field("Built")?;
    if field("Priority") == Some("base") {
        return None;
    }
    let (name, version) = (name(field("Package")?), version(field("Version")?));
    let licenses = field("License").map(license::spdx).unwrap_or_default();
    let purl = purl("cran", &name, &version, &[]);
    Some(LanguagePackage { licenses, ..LanguagePackage::new("CRAN", name, version, purl) })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn installed_packages_that_are_not_r_itself_are_listed() {
        let text = "Package: commonmark\nVersion: 1.7\nTitle: x\n  Version: 9\nLicense: BSD_2_clause + file LICENSE\nBuilt: R 4.2.2; ; 2023-01-01; unix\n";
        let package = parse(text).unwrap();
        assert_eq!((package.name.as_str(), package.purl.as_str()), ("commonmark", "pkg:cran/commonmark@1.7"));
        assert_eq!(package.licenses, ["BSD_2_clause + file LICENSE"]);
        assert_eq!(parse(&text.replace("Built", "Build")), None);
        assert_eq!(parse(&format!("{text}Priority: base\n")), None);
        assert_eq!(parse("Built: x\nPackage: y\n"), None);
    }
}
