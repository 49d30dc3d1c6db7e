//! `META-INF/MANIFEST.MF` (JAR File Specification, "Notes on Manifest and Signature Files"): the main section.

use std::collections::BTreeMap;

/// The attributes of the main section, in lower case; of equal ones the last counts, as in Java.
#[derive(Debug, Default)]
pub(super) struct Manifest(BTreeMap<String, String>);

impl Manifest {
    pub(super) fn parse(text: &str) -> Self {
        let mut attributes = BTreeMap::new();
        let mut last: Option<(String, String)> = None;
        // A line that begins with a space goes on with the one before; the main section ends at the first blank line.
        for line in text.lines().take_while(|line| !line.is_empty()) {
            if let Some(more) = line.strip_prefix(' ') {
                if let Some((_, value)) = &mut last {
                    value.push_str(more);
                }
            } else if let Some((key, value)) = line.split_once(':') {
                attributes
                    .extend(last.replace((key.trim().to_ascii_lowercase(), value.trim_start().to_owned())));
            }
        }
        attributes.extend(last);
        Self(attributes)
    }

    /// The attribute `name` (in lower case), if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The bundle's name without its directives (OSGi Core, "Bundle-SymbolicName").
    pub(super) fn symbolic_name(&self) -> Option<&str> {
        self.get("bundle-symbolicname")?.split(';').next().map(str::trim)
    }

    /// The version it states for the whole archive: the first word, if it is one.
    pub(super) fn version(&self) -> Option<&str> {
        ["implementation-version", "bundle-version", "plugin-version", "specification-version"]
            .iter()
            .find_map(|name| {
                let word = self.get(name)?.split([' ', ',']).next()?;
                word.starts_with(|c: char| c.is_ascii_digit()).then_some(word)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;

    #[test]
    fn reads_the_main_section_with_continued_lines() {
        let manifest = Manifest::parse(
            "Manifest-Version: 1.0\r\nBundle-SymbolicName: org.example.a-very-long\r\n -name;singleton:=true\r\nImplementation-Version: 4.0 b1\r\nX:\r\n\r\nName: other/\r\nImplementation-Title: not ours\r\n",
        );
        assert_eq!(manifest.symbolic_name(), Some("org.example.a-very-long-name"));
        assert_eq!(manifest.version(), Some("4.0"));
        assert_eq!(manifest.get("implementation-title"), None);
        assert_eq!(manifest.get("x"), None);
        assert_eq!(Manifest::parse(" continued\n").get(""), None);
    }

    #[test]
    fn a_version_begins_with_a_digit() {
        assert_eq!(
            Manifest::parse("Implementation-Version: ${v}\nBundle-Version: 1.2\n").version(),
            Some("1.2")
        );
    }
}
