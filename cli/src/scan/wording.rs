//! What the reports for people call things. Text from the image is not escaped here: each sink does that.

use breakwater_core::Inventory;
use breakwater_core::inventory::{OperatingSystem, Secret, SpecialFileKind};

use crate::terminal::count;

/// Why the end of support matters, and what to do.
pub(super) const OUT_OF_SUPPORT: &str = "What is found in it from then on is mended by nobody, and its advisories may \
    not tell of it: move the image to a release that is supported.";

/// A kind of special files, for people.
pub(super) fn kind_title(kind: SpecialFileKind) -> &'static str {
    match kind {
        SpecialFileKind::Miner => "miners of cryptocurrency",
        SpecialFileKind::PrivateKey => "private keys",
        SpecialFileKind::Setuid => "setuid: run as their owner",
        SpecialFileKind::Capabilities => "file capabilities: run with them",
        SpecialFileKind::Setgid => "setgid: run as their group",
        SpecialFileKind::WorldWritable => "writable by everybody",
    }
}

/// The name of a distribution's release: as it calls itself, else its id and version.
pub(super) fn release_name(os: &OperatingSystem) -> String {
    if os.name.is_empty() { format!("{} {}", os.id, os.version) } else { os.name.clone() }
}

/// The image that this one was built from, in one line: its name, its digest, its layers. Empty if nothing is known.
pub(super) fn base_words(inventory: &Inventory) -> String {
    let Some(base) = &inventory.base else { return String::new() };
    let digest = base.digest.as_ref().map(|digest| format!("sha256:{}", digest.short()));
    let known_by = match base.layers {
        // Nobody checked what the image's own notes say.
        0 => "as the image states".to_owned(),
        layers => format!("{layers} of {}", count(inventory.layers.len(), "layer")),
    };
    let words = [Some(base.name.clone()).filter(|name| !name.is_empty()), digest, Some(known_by)];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where a secret is: a file and its line, or a place in the configuration, which has no lines; and whether no container sees it.
pub(super) fn secret_place(secret: &Secret) -> String {
    let line = if secret.line == 0 { String::new() } else { format!(":{}", secret.line) };
    let hidden = if secret.deleted { " (a layer above removes it; it can still be pulled)" } else { "" };
    format!("{}{line}{hidden}", secret.path)
}

/// How many vulnerabilities of Go modules lie in packages that are in none of the programs.
pub(super) fn not_linked_words(number: usize) -> String {
    match number {
        1 => "1 vulnerability of a Go module does not count: no program links what holds it".to_owned(),
        _ => format!("{number} vulnerabilities of Go modules do not count: no program links what holds them"),
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::Digest;
    use breakwater_core::inventory::{BaseImage, ImageConfig};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_base_is_told_with_how_it_is_known() {
        let digest = Digest::of(b"base");
        let mut inventory: Inventory = serde_json::from_value(json!({
            "schemaVersion": 1, "scanner": {"name": "a", "version": "0"},
            "image": {"reference": "a", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
            "layers": [], "packages": [], "software": [], "config": ImageConfig::default(), "unanalysed": []
        }))
        .unwrap();
        assert_eq!(base_words(&inventory), "");
        let mut words = |name: &str, digest: Option<&Digest>, layers| {
            inventory.base = Some(BaseImage { name: name.into(), digest: digest.cloned(), layers });
            base_words(&inventory)
        };
        assert_eq!(words("debian:12", None, 0), "debian:12, as the image states");
        let short = digest.short();
        assert_eq!(words("", Some(&digest), 0), format!("sha256:{short}, as the image states"));
        assert_eq!(words("a", Some(&digest), 2), format!("a, sha256:{short}, 2 of 0 layers"));
    }

    #[test]
    fn a_secret_in_the_configuration_has_no_line() {
        let place = |path: &str, line, deleted| {
            let (rule, fingerprint) = (String::new(), String::new());
            secret_place(&Secret { rule, path: path.into(), line, fingerprint, layer: None, deleted })
        };
        assert_eq!(place("config:env:A", 0, false), "config:env:A");
        assert_eq!(place("a", 3, false), "a:3");
        assert!(place("a", 3, true).starts_with("a:3 (a layer above removes it"));
    }
}
