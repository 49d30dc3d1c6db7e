//! What a person types to upgrade: one command per package manager. Names and versions come from images, so they are quoted.

use std::collections::BTreeMap;

use super::{Upgrade, has_own_version};
use crate::ecosystem::base;

/// How many packages one command names; more are upgraded by further commands.
const MAX_PACKAGES: usize = 50;

/// The commands that do these upgrades, for a shell. What has no command of its own (Java, what is compiled in by tools that are not
/// known) is left to the reader.
#[must_use]
pub fn commands(upgrades: &[Upgrade]) -> Vec<String> {
    let mut words: BTreeMap<Tool, Vec<String>> = BTreeMap::new();
    for upgrade in upgrades {
        let Some(tool) = Tool::of(&upgrade.ecosystem) else { continue };
        let mut names: Vec<String> = upgrade
            .packages
            .iter()
            .filter_map(|package| {
                let exact = (!has_own_version(package)).then_some(upgrade.to.as_str());
                let words: Option<Vec<String>> =
                    tool.words(&package.name, exact).iter().map(|word| shell_word(word)).collect();
                Some(words?.join(" "))
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        words.entry(tool).or_default().extend(names);
    }
    words
        .into_iter()
        .flat_map(|(tool, words)| {
            let at_once = if tool.takes_many() { MAX_PACKAGES } else { 1 };
            words
                .chunks(at_once)
                .map(|words| format!("{} {}", tool.command(), words.join(" ")))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Apt,
    Apk,
    Dnf,
    Npm,
    Pip,
    Go,
    Cargo,
    Gem,
    Composer,
    Dotnet,
}

impl Tool {
    fn of(ecosystem: &str) -> Option<Self> {
        Some(match base(ecosystem) {
            "Debian" | "Ubuntu" | "Echo" => Self::Apt,
            "Alpine" | "Wolfi" | "Chainguard" => Self::Apk,
            "AlmaLinux" | "Rocky Linux" | "Red Hat" | "Fedora" | "Oracle Linux" | "Amazon Linux" => Self::Dnf,
            "npm" => Self::Npm,
            "PyPI" => Self::Pip,
            "Go" => Self::Go,
            "crates.io" => Self::Cargo,
            "RubyGems" => Self::Gem,
            "Packagist" => Self::Composer,
            "NuGet" => Self::Dotnet,
            _ => return None,
        })
    }

    fn command(self) -> &'static str {
        match self {
            Self::Apt => "apt-get install --only-upgrade",
            Self::Apk => "apk add --upgrade",
            Self::Dnf => "dnf upgrade",
            Self::Npm => "npm install",
            Self::Pip => "pip install",
            Self::Go => "go get",
            Self::Cargo => "cargo update --precise",
            Self::Gem => "gem install",
            Self::Composer => "composer require",
            Self::Dotnet => "dotnet add package",
        }
    }

    fn takes_many(self) -> bool {
        !matches!(self, Self::Cargo | Self::Dotnet)
    }

    /// A package with its version as the tool spells it; without the version where it is not known.
    fn words(self, name: &str, version: Option<&str>) -> Vec<String> {
        let Some(version) = version else { return vec![name.to_owned()] };
        match self {
            Self::Apt => vec![format!("{name}={version}")],
            // Alpine keeps the newest build of a release only.
            Self::Apk => vec![format!("{name}>={version}")],
            Self::Dnf => vec![format!("{name}-{version}")],
            Self::Npm => vec![format!("{name}@{version}")],
            Self::Pip => vec![format!("{name}=={version}")],
            // The standard library comes with the toolchain, not as a module.
            Self::Go if name == "stdlib" => vec![format!("go@{}", version.trim_start_matches("go"))],
            Self::Go => vec![format!("{name}@v{}", version.trim_start_matches('v'))],
            Self::Cargo => vec![version.to_owned(), name.to_owned()],
            Self::Gem | Self::Composer => vec![format!("{name}:{version}")],
            Self::Dotnet => vec![name.to_owned(), "--version".to_owned(), version.to_owned()],
        }
    }
}

/// `word` as a shell reads it back. None if it could be taken for an option, or cannot be shown.
fn shell_word(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@/._+:~^=-".contains(c);
    if word.is_empty() || (word.starts_with('-') && word != "--version") || word.chars().any(char::is_control)
    {
        return None;
    }
    Some(if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) })
}
