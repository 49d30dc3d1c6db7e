//! The version that a build was told by linker flags (`-ldflags "-X main.version=1.2.3"`), which Go keeps among the build settings.

/// The version of the main module `path`, if the build set exactly one.
pub(super) fn version_of<'a>(path: &str, modules: &'a str) -> Option<&'a str> {
    let flags = modules.lines().find_map(|line| line.strip_prefix("build\t-ldflags="))?;
    let words = || flags.split([' ', '"', '\'', '\\', '=']).filter(|word| !word.is_empty());
    // A variable's package is the program itself or one of its module; elsewhere it tells of something else.
    let is_own = |variable: &str| {
        let Some((package, name)) = variable.rsplit_once('.') else { return false };
        let is_of_module =
            package.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (package == "main" || is_of_module) && NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let mut versions =
        words().zip(words().skip(1)).filter(|(variable, value)| is_own(variable) && is_version(value));
    let (_, version) = versions.next()?;
    versions.all(|(_, other)| other == version).then_some(version)
}

const NAMES: [&str; 6] = ["version", "gitVersion", "buildVersion", "appVersion", "semver", "release"];

/// Three numbers, as Go's modules have them, with or without `v`.
fn is_version(text: &str) -> bool {
    let core = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next().unwrap_or_default();
    let numbers =
        core.split('.').filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    core.split('.').count() == 3 && numbers.count() == 3
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn the_builds_own_version_counts_if_it_is_one() {
        for (flags, expected) in [
            (r#""-s -w -X main.version=1.2.3""#, Some("1.2.3")),
            (r#""-X 'main.Version=v1.2.3-rc.1' -X main.commit=abc""#, Some("v1.2.3-rc.1")),
            (
                r#""-X=example.test/app/pkg/version.gitVersion=v2.0.0 -X example.test/app.Version=v2.0.0""#,
                Some("v2.0.0"),
            ),
            (r#""-X main.version=1.2.3 -X example.test/app.version=1.2.4""#, None),
            (r#""-X example.test/apple.version=1.2.3""#, None),
            (r#""-X main.goVersion=1.2.3 -X main.version=abcdef""#, None),
            ("-s", None),
        ] {
            let modules =
                format!("mod\texample.test/app\t(devel)\t\nbuild\t-compiler=gc\nbuild\t-ldflags={flags}\n");
            assert_eq!(version_of("example.test/app", &modules), expected, "{flags}");
        }
        assert_eq!(version_of("example.test/app", ""), None);
    }
}
