//! No input makes a parser panic, and none takes it beyond its bounds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use breakwater_core::{Digest, ImageReference};
use breakwater_scanner::{
    ScanOptions,
    image::{ImageDescription, manifest},
    layer::{ExpectedLayer, read_layer, tar::Tar},
    packages::{
        apk, auditable, composer, dotnet, dpkg, gobuild::BuildInfoSearch, java, npm, os_release, python, ruby,
    },
    registry::Credentials,
};
use proptest::prelude::*;

fn walk(bytes: &[u8]) {
    let mut tar = Tar::new(bytes);
    while let Ok(Some(_)) = tar.next_entry() {}
    let expected = ExpectedLayer { digest: Digest::of(bytes), diff_id: Digest::of(bytes) };
    let _ = read_layer(bytes, &expected, ScanOptions::default());
}

fn build_info(bytes: &[u8], piece: usize) {
    let mut search = BuildInfoSearch::default();
    for piece in bytes.chunks(piece.max(1)) {
        if !search.push(piece) {
            break;
        }
    }
    let _ = search.finish(Some(bytes));
}

/// A valid archive with some of its bytes changed: deeper than noise gets.
fn damaged(at: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = support::tar(&[
        ("etc/os-release", b"ID=x\n"),
        (&"long/".repeat(40), b"x"),
        ("lib/apk/db/installed", b"P:a\nV:1\n"),
        ("a->b", b""),
    ]);
    for (position, byte) in at {
        let position = position % bytes.len();
        bytes[position] = *byte;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tar_takes_anything(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        walk(&bytes);
    }

    #[test]
    fn tar_takes_damaged_archives(at in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6)) {
        walk(&damaged(&at));
        walk(&support::gzip(&damaged(&at)));
    }

    #[test]
    fn texts_take_anything(text in "(?s).{0,300}|([A-Za-z]{1,10}:? ?.{0,20}\n){0,12}") {
        dpkg::parse_status(&text);
        dpkg::parse_files(&text);
        apk::parse_installed(&text);
        os_release::parse(&text);
        os_release::alpine_branch(&text);
        python::parse(&text);
        let _ = ruby::parse("a-1.gemspec", &text);
        let _ = npm::parse(text.as_bytes());
        let _ = composer::parse(text.as_bytes());
        let _ = dotnet::parse(text.as_bytes());
        let _ = text.parse::<ImageReference>();
        let _ = Credentials::parse(text.as_bytes());
        let _ = manifest::parse(text.as_bytes(), None);
        let _ = ImageDescription::parse(text.as_bytes());
    }

    #[test]
    fn java_archives_take_damage(at in prop::collection::vec((any::<usize>(), any::<u8>()), 0..8)) {
        let mut bytes = include_bytes!("../../fuzz/seeds/jar/good-nested").to_vec();
        for (position, byte) in at {
            let position = position % bytes.len();
            bytes[position] = byte;
        }
        let _ = java::read("a-1.jar", &bytes);
    }

    #[test]
    fn programs_take_damage(at in prop::collection::vec((any::<usize>(), any::<u8>()), 0..8)) {
        let mut bytes = include_bytes!("../../fuzz/seeds/auditable/good-library").to_vec();
        for (position, byte) in at {
            let position = position % bytes.len();
            bytes[position] = byte;
        }
        let _ = auditable::parse(&bytes);
    }

    #[test]
    fn build_information_takes_anything(bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1_usize..64) {
        build_info(&[b"\x7fELF".as_slice(), &bytes].concat(), piece);
        build_info(&[b"\x7fELF\xff Go buildinf:\x08\x02".as_slice(), &[0; 16], &bytes].concat(), piece);
    }

    #[test]
    fn manifests_take_any_json(schema in 0_u32..4, media in "[a-z./+]{0,20}", digest in ".{0,80}", size in any::<i64>(), layers in 0_usize..3) {
        let descriptor = serde_json::json!({"mediaType": media, "digest": digest, "size": size, "platform": {"os": digest}});
        let document = serde_json::json!({"schemaVersion": schema, "mediaType": media, "config": descriptor, "layers": vec![&descriptor; layers]});
        let _ = manifest::parse(document.to_string().as_bytes(), Some(&media));
        let index = serde_json::json!({"schemaVersion": schema, "manifests": vec![&descriptor; layers]});
        let _ = manifest::parse(index.to_string().as_bytes(), None);
    }
}
