//! Which artifact an archive is: Maven coordinates, stated or inferred.

use super::{groups, manifest::Manifest};
use crate::packages;

/// Maven coordinates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coordinates {
    /// Empty if nothing tells it.
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
}

/// What an archive seems to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inferred {
    pub(super) coordinates: Coordinates,
    /// Whether nothing but the packages of its classes tells the group.
    pub(super) is_guess: bool,
}

impl Coordinates {
    /// As they are written down; `None` if one is missing or a variable that was never filled in (`${revision}`).
    pub(super) fn stated(group: &str, artifact: &str, version: &str) -> Option<Self> {
        let [group, artifact] = [group, artifact].map(packages::name);
        let version = packages::version(version);
        let is_stated =
            |text: &String| !text.is_empty() && !text.contains("${") && !text.contains([' ', '/']);
        let all = Self { group, artifact, version };
        (is_stated(&all.group) && is_stated(&all.artifact) && is_stated(&all.version)).then_some(all)
    }

    /// What an archive without Maven's own files is. Its file name tells best, for that is how Maven and Gradle call what they fetch
    /// (`artifact-version.jar`); manifests are written by hand and often speak of the specification or the build. Where the name has
    /// no version, the manifest tells it. `classes` is the package that all its classes share, with slashes.
    pub(super) fn inferred(file: &str, manifest: &Manifest, classes: Option<&str>) -> Option<Inferred> {
        let stem = stem(file);
        let title = manifest.get("implementation-title");
        let (artifact, version) = split(stem).map_or_else(
            || (title.filter(|title| is_artifact(title)).unwrap_or(stem), manifest.version()),
            |(artifact, version)| (artifact, Some(version)),
        );
        let (artifact, version) = (packages::name(artifact), packages::version(version?));
        if let Some((group, artifact)) = groups::known(&artifact, &version) {
            let coordinates = Self { group: group.into(), artifact: artifact.into(), version };
            return Some(Inferred { coordinates, is_guess: false });
        }
        let stated = stated_group(&artifact, manifest, title).map(packages::name);
        let guessed =
            || classes.and_then(guessed_group).map(|group| packages::name(&group)).unwrap_or_default();
        let is_guess = stated.is_none();
        let coordinates = Self { group: stated.unwrap_or_else(guessed), artifact, version };
        Some(Inferred { coordinates, is_guess })
    }
}

/// The file name without its suffix.
pub(super) fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// `commons-lang3-3.12.0` → `commons-lang3`, `3.12.0`: the version begins at the first hyphen before a digit.
fn split(stem: &str) -> Option<(&str, &str)> {
    let at = stem.as_bytes().windows(2).position(|pair| matches!(pair, [b'-', b'0'..=b'9']))?;
    let (artifact, version) = (stem.get(..at)?, stem.get(at + 1..)?);
    (!artifact.is_empty()).then_some((artifact, version))
}

fn is_artifact(title: &str) -> bool {
    title.contains('-')
        && title.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

fn stated_group<'a>(artifact: &str, manifest: &'a Manifest, title: Option<&'a str>) -> Option<&'a str> {
    // `group#artifact;version` is how Gradle's info plugin writes it.
    let of_title = title.and_then(|title| title.split_once('#')).map(|(group, _)| group);
    // A bundle is mostly called as its group and artifact together.
    let of_bundle = manifest.symbolic_name().and_then(|name| name.strip_suffix(artifact)?.strip_suffix('.'));
    let of_vendor = manifest.get("implementation-vendor-id");
    [of_title, of_bundle, of_vendor].into_iter().flatten().find(|group| is_group(group))
}

/// The domain that packages are named after: two parts, three below Apache's.
fn guessed_group(classes: &str) -> Option<String> {
    let parts: Vec<&str> = classes.split('/').collect();
    let length = if parts.get(1) == Some(&"apache") { 3 } else { 2 };
    Some(parts.get(..length)?.join(".")).filter(|group| is_group(group))
}

/// Whether it is a domain the wrong way round, as groups of Maven Central are.
fn is_group(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let top = text.split('.').next().unwrap_or_default();
    let is_domain =
        (2..=3).contains(&top.len()) || matches!(top, "info" | "name" | "jakarta" | "javax" | "cloud");
    is_domain && text.contains('.') && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_without_maven_files_are_known_by_name_and_manifest() {
        for (file, manifest, classes, expected) in [
            ("kafka-clients-2.8.0.jar", "", "org/apache/kafka", "org.apache.kafka:kafka-clients@2.8.0"),
            (
                "spring-core-5.3.20.jar",
                "Implementation-Title: spring-core",
                "org",
                "org.springframework:spring-core@5.3.20",
            ),
            (
                "spring-core.jar",
                "Implementation-Title: spring-core\nImplementation-Version: 5.3.20",
                "org",
                "org.springframework:spring-core@5.3.20",
            ),
            (
                "spring-boot-2.7.5.jar",
                "Implementation-Title: Spring Boot",
                "",
                "org.springframework.boot:spring-boot@2.7.5",
            ),
            (
                "hibernate-core-5.6.0.Final.jar",
                "Implementation-Vendor-Id: org.hibernate",
                "org/hibernate",
                "org.hibernate:hibernate-core@5.6.0.Final",
            ),
            (
                "hibernate-core-6.1.0.Final.jar",
                "Implementation-Vendor-Id: org.hibernate",
                "",
                "org.hibernate.orm:hibernate-core@6.1.0.Final",
            ),
            (
                "reactive-streams-1.0.3.jar",
                "Bundle-SymbolicName: org.reactivestreams.reactive-streams",
                "",
                "org.reactivestreams:reactive-streams@1.0.3",
            ),
            (
                "kotlin-stdlib-1.4.10.jar",
                "Implementation-Version: 1.4.10-release-411 (1.4.10)",
                "kotlin",
                "org.jetbrains.kotlin:kotlin-stdlib@1.4.10",
            ),
            (
                "tomcat-embed-core-9.0.68.jar",
                "Implementation-Title: javax.servlet\nImplementation-Version: 4.0.FR\nBundle-Version: 9.0.68",
                "",
                "org.apache.tomcat.embed:tomcat-embed-core@9.0.68",
            ),
            (
                "elasticsearch-x-content-7.10.0.jar",
                "Implementation-Title: org.elasticsearch#x;7.10.0",
                "",
                "org.elasticsearch:elasticsearch-x-content@7.10.0",
            ),
            (
                "zstd-jni-1.4.9-1.jar",
                "Implementation-Vendor-Id: com.github.luben",
                "",
                "com.github.luben:zstd-jni@1.4.9-1",
            ),
            (
                "catalina.jar",
                "Implementation-Title: Apache Tomcat\nImplementation-Version: 9.0.68",
                "org/apache",
                "org.apache.tomcat:tomcat-catalina@9.0.68",
            ),
            ("antlr-2.7.7.jar", "", "antlr", "antlr:antlr@2.7.7"),
            ("thing-1.0.jar", "", "thing", ":thing@1.0"),
            ("thing-1.0.jar", "Implementation-Vendor-Id: A Vendor", "com/thing/x", "com.thing:thing@1.0"),
        ] {
            let found = Coordinates::inferred(file, &Manifest::parse(manifest), Some(classes)).unwrap();
            let found = found.coordinates;
            assert_eq!(format!("{}:{}@{}", found.group, found.artifact, found.version), expected, "{file}");
        }
        assert_eq!(Coordinates::inferred("app.jar", &Manifest::default(), None), None);
    }
}
