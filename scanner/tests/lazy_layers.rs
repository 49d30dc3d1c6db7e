//! eStargz and zstd:chunked layers are read whole, as a runtime that does not know them unpacks them. What their tables of contents and
//! landmarks add is no content, and what a table hides is found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{fs, io::Read as _, path::Path};

use breakwater_core::Digest;
use support::*;

fn blob(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/lazy-layers").join(name)).unwrap()
}

#[allow(clippy::disallowed_types, reason = "bytes of this repository")]
fn inflated(name: &str, blob: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    let read = match name {
        "estargz" => flate2::read::MultiGzDecoder::new(blob).read_to_end(&mut tar),
        _ => zstd::stream::read::Decoder::new(blob).unwrap().read_to_end(&mut tar),
    };
    read.unwrap();
    tar
}

#[tokio::test]
async fn they_are_read_whole() {
    for name in ["estargz", "zstd-chunked"] {
        let blob = blob(name);
        let tar = inflated(name, &blob);
        let image = image_of(&[(tar.clone(), blob.clone())], "amd64");
        let server = Server::of(image).await;
        let inventory = scan(&server).await.unwrap().remove(0);
        assert_eq!(inventory.os.as_ref().unwrap().id, "debian", "{name}");
        assert_eq!(inventory.packages.len(), 1, "{name}: {:?}", inventory.packages);
        assert_eq!(
            inventory.packages[0].purl, "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12",
            "{name}"
        );
        assert_eq!(inventory.software[0].path, "/bin/bash", "{name}");
        assert_eq!(inventory.unanalysed, [], "{name}");
        assert_eq!(inventory.layers[0].diff_id, Digest::of(&tar), "{name}");
        assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("range")), "{name}");
    }
}

#[test]
fn they_are_what_they_are_said_to_be() {
    let estargz = inflated("estargz", &blob("estargz"));
    let holds = |text: &str| estargz.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("stargz.index.json") && holds(".prefetch.landmark"));
    // The magic number that ends zstd:chunked layers.
    let chunked = blob("zstd-chunked");
    assert_eq!(chunked[chunked.len() - 8..], *b"GnUlInUx");
}

/// A table of contents can name fewer files than the layer has; a scanner that believed it would miss the rest.
#[tokio::test]
async fn what_a_table_of_contents_hides_is_found() {
    let hidden =
        tar(&[("var/lib/dpkg/status.d/hidden", b"Package: hidden\nVersion: 1\nArchitecture: amd64\n")]);
    let seen = blob("estargz");
    // A further gzip member in front, of which the table knows nothing; without the end that a tar has.
    let front = &hidden[..hidden.len() - 1024];
    let both = [gzip(front), seen.clone()].concat();
    let tar = [front, inflated("estargz", &seen).as_slice()].concat();
    let inventory = scan(&Server::of(image_of(&[(tar, both)], "amd64")).await).await.unwrap().remove(0);
    let names: Vec<_> = inventory.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["bash", "hidden"]);
}
