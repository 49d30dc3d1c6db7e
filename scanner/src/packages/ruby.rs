//! RubyGems: the specification of an installed gem (`specifications/NAME-VERSION.gemspec`), default gems included.
//!
//! A specification is a Ruby program; RubyGems writes those of installed gems itself, always in the same form, with a comment that it
//! reads without running the rest (`Gem::StubSpecification`). What was written by hand states name and version as plain assignments.

use super::{LanguagePackage, license, name, purl::purl, version};

/// The gem that `text`, the file called `file`, specifies; `None` if neither names one.
#[must_use]
pub fn parse(file: &str, text: &str) -> Option<LanguagePackage> {
    let stub = text.lines().take(5).find_map(|line| line.strip_prefix("# stub: "));
    let stub = stub.and_then(|stub| {
        let mut words = stub.split(' ');
        Some((words.next()?, words.next()?, words.next()))
    });
    let assigned = || Some((string(value(text, "name")?)?, string(value(text, "version")?)?, None));
    // A version that is computed still stands in the file's name.
    let named = || {
        let (name, version) = file.strip_suffix(".gemspec")?.rsplit_once('-')?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some((name, version, None))
    };
    let (stated_name, stated_version, platform) = stub.or_else(assigned).or_else(named)?;
    let (name, version) = (name(stated_name), version(stated_version));
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let platform = platform.filter(|platform| *platform != "ruby").unwrap_or_default();
    let purl = purl("gem", &name, &version, &[("platform", platform)]);
    Some(LanguagePackage {
        licenses: licenses(text),
        ..LanguagePackage::new("RubyGems", name, version, purl)
    })
}

/// What is assigned to `attribute` (`s.name = …`).
fn value<'a>(text: &'a str, attribute: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (variable, rest) = line.trim_start().split_once('.')?;
        let rest = rest.strip_prefix(attribute)?.trim_start().strip_prefix('=')?;
        let is_variable = variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_variable.then(|| rest.trim_start())
    })
}

/// The first quoted string.
fn string(text: &str) -> Option<&str> {
    let (quote, rest) = match text.as_bytes().first()? {
        b'"' => ('"', text.get(1..)?),
        b'\'' => ('\'', text.get(1..)?),
        _ => return None,
    };
    rest.split_once(quote).map(|(string, _)| string).filter(|string| !string.contains("#{"))
}

fn licenses(text: &str) -> Vec<String> {
    let one = || value(text, "license").and_then(string);
    let Some(list) = value(text, "licenses").and_then(|list| list.strip_prefix('[')?.split_once(']')) else {
        return license::of_statements(one());
    };
    license::of_statements(list.0.split(',').filter_map(|item| string(item.trim())))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn gems_are_read_as_rubygems_writes_them_and_as_people_do() {
        for (file, text, expected) in [
            (
                "rack-2.2.22.gemspec",
                "# -*- encoding: utf-8 -*-\n# stub: rack 2.2.22 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"other\".freeze\n  s.licenses = [\"MIT\".freeze, 'Ruby']\nend\n",
                "pkg:gem/rack@2.2.22 MIT,Ruby",
            ),
            (
                "nokogiri-1.15.0-x86_64-linux.gemspec",
                "# stub: nokogiri 1.15.0 x86_64-linux lib\n",
                "pkg:gem/nokogiri@1.15.0?platform=x86_64-linux ",
            ),
            (
                "json.gemspec",
                "Gem::Specification.new do |spec|\n  spec.name    = 'json'\n  spec.version= '2.6.1'\n  spec.license = \"Ruby\"\n",
                "pkg:gem/json@2.6.1 Ruby",
            ),
            (
                "net-http-0.3.0.gemspec",
                "s.name = 'net-http'\ns.version = Net::HTTP::VERSION\n",
                "pkg:gem/net-http@0.3.0 ",
            ),
        ] {
            let gem = parse(file, text).unwrap();
            assert_eq!(format!("{} {}", gem.purl, gem.licenses.join(",")), expected);
            assert_eq!(gem.ecosystem, "RubyGems");
        }
        assert_eq!(parse("x.gemspec", "s.version = \"#{v}\"\ns.name = 'x'\n"), None);
        assert_eq!(parse("", ""), None);
    }
}
