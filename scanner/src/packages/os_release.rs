//! Which distribution an image is made of: os-release(5), and apk's repositories where they know better.

use breakwater_core::{inventory::OperatingSystem, printable};

use super::{name, version};

/// `None` without an `ID`.
pub fn parse(text: &str) -> Option<OperatingSystem> {
    let value = |wanted: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.trim().split_once('=')?;
            (key == wanted).then(|| value.trim().trim_matches(['"', '\'']))
        })
    };
    let id = name(value("ID")?).to_ascii_lowercase();
    if id.is_empty() {
        return None;
    }
    let pretty = value("PRETTY_NAME").or_else(|| value("NAME")).unwrap_or_default();
    let stated = value("VERSION_ID").unwrap_or_default();
    let release = if stated.is_empty() && id == "debian" {
        debian_release(&format!("{} {pretty}", value("VERSION_CODENAME").unwrap_or_default()))
    } else {
        stated
    };
    Some(OperatingSystem { version: version(release), name: printable::line(pretty, 120), id })
}

/// Debian's testing states no number before its release; its code name does.
fn debian_release(names: &str) -> &'static str {
    [("bookworm", "12"), ("trixie", "13"), ("forky", "14"), ("duke", "15")]
        .into_iter()
        .find(|(codename, _)| names.contains(codename))
        .map_or("", |(_, release)| release)
}

/// The branch of the first Alpine repository: `v3.20` or `edge`. An upgraded image may keep an older os-release.
pub fn alpine_branch(text: &str) -> Option<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| line.split('/').find(|part| *part == "edge" || is_branch(part)).map(str::to_owned))
}

fn is_branch(part: &str) -> bool {
    part.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
        [major, minor].iter().all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quoted_and_plain_values() {
        let os =
            parse("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n").unwrap();
        assert_eq!((os.id.as_str(), os.version.as_str()), ("debian", "12"));
        assert_eq!(os.name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(parse("NAME=x\n"), None);
        let testing = parse("PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nID=debian\n").unwrap();
        assert_eq!(testing.version, "13");
    }

    #[test]
    fn the_branch_comes_from_the_first_repository() {
        let text = "#https://mirror.test/alpine/v3.1/main\nhttps://mirror.test/alpine/v3.20/main\nhttps://mirror.test/alpine/edge/community\n";
        assert_eq!(alpine_branch(text).as_deref(), Some("v3.20"));
        assert_eq!(alpine_branch("/media/cdrom/apks\n"), None);
    }
}
