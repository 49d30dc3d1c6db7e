//! One image of packages of many families, read by `breakwater scan` and by its peers: processor time, wall time, peak memory, packages and
//! advisory ids found, and what each has that the other has not.
//!
//! `make bench-peers` builds the peers and measures; `cargo bench -p breakwater-e2e --bench peers` takes those that are on PATH or were built
//! before. `ADVISORIES_DIR`, as for the benchmark of advisories, holds `osv/<ecosystem>/all.zip`; without it nothing is matched.
//! GNU `time` measures each process as a whole, its children included.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails by what it relies on and does not get"
)]

mod advisories;
mod limit;
mod measure;
mod packages;
mod peer;
mod table;

use std::{
    env::var_os,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use breakwater_e2e::{Images, Layout, Progress};
use measure::{Figures, measure};
use peer::Peer;
use table::{Goal, Row};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--limit", layout] => limit::read(Path::new(layout)),
        [] => compare(5, false),
        ["--install"] => compare(5, true),
        ["--pairs", pairs] => compare(pairs.parse().expect("a number of pairs"), false),
        _ => panic!("usage: peers [--install | --pairs NUMBER]"),
    }
}

fn compare(pairs: usize, install: bool) {
    let (layout, progress) = (Layout::from_environment().expect("a valid environment"), Progress::new());
    let directory = layout.cache.join("peers");
    fs::create_dir_all(&directory).expect("a directory in the cache");
    if install {
        peer::install(&directory, &progress);
    }
    let image = Images::new(layout.clone())
        .build(&layout.e2e().join("images/bench-app"), &progress)
        .expect("the image can be built");
    let ours = build(&layout);
    inventories(&ours, &image.path, &directory, pairs);
    match var_os("ADVISORIES_DIR") {
        Some(advisories) => {
            findings(&ours, &image.path, &Path::new(&advisories).join("osv"), &directory, pairs)
        }
        None => println!("advisories are not compared: ADVISORIES_DIR names no directory"),
    }
}

/// As it is released.
fn build(layout: &Layout) -> PathBuf {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", TARGET, "--package", "breakwater", "--bin", "breakwater"]);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static").current_dir(&layout.repository);
    assert!(cargo.status().expect("cargo").success(), "the product builds");
    let target = var_os("CARGO_TARGET_DIR").map_or_else(|| layout.repository.join("target"), PathBuf::from);
    target.join(TARGET).join("release/breakwater")
}

/// Without what the user's own files and variables say.
fn breakwater(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("BREAKWATER_DB").env("XDG_CACHE_HOME", directory.join("empty"));
    command.arg("scan");
    command
}

fn inventories(ours: &Path, image: &Path, directory: &Path, pairs: usize) {
    let source = format!("oci-dir:{}:image", image.display());
    let (listed, peers) = (directory.join("breakwater.json"), directory.join("syft.json"));
    let scan = |options: &[&str]| {
        let mut command = breakwater(ours, directory);
        command.arg(&source).args(options).arg("-o").arg(format!("json={}", listed.display()));
        command
    };
    let syft = Peer::Syft.find(directory);
    let mut limit = Command::new(std::env::current_exe().expect("a path"));
    limit.arg("--limit").arg(image);

    let mut runs: [Vec<Figures>; 4] = Default::default();
    // Once unmeasured, so that the first to be measured is not the one that reads the disk.
    measure(&mut limit);
    for _ in 0..pairs {
        runs[0].push(measure(&mut limit));
        runs[2].push(measure(&mut scan(&[])));
        runs[1].push(measure(&mut scan(&["--no-secrets"])));
        if let Some(program) = &syft {
            let mut command = Command::new(program);
            command.env("SYFT_CHECK_FOR_APP_UPDATE", "false").args(["scan", "--quiet"]);
            command.arg(format!("oci-dir:{}", image.display()));
            runs[3].push(measure(command.arg("--output").arg(format!("syft-json={}", peers.display()))));
        }
    }
    let found = packages::breakwater(&listed);
    let [limit, plain, secrets, syft] = runs.map(|runs| Figures::median(&runs));
    let mut rows = vec![
        Row::of("inflate and sha256 alone", limit, None),
        Row::of("breakwater --no-secrets", plain, Some(found.len())),
        Row::of("breakwater", secrets, Some(found.len())),
    ];
    let mut goals = vec![
        Goal::of("wall, --no-secrets : inflate and sha256 alone", plain.wall / limit.wall, 1.3),
        Goal::of("CPU,  --no-secrets : inflate and sha256 alone", plain.cpu / limit.cpu, 1.3),
    ];
    let theirs = (syft.cpu > 0.0).then(|| packages::syft(&peers));
    if let Some(theirs) = &theirs {
        rows.push(Row::of(&Peer::Syft.name(), syft, Some(theirs.len())));
        goals.push(Goal::of("CPU,  --no-secrets : Syft", plain.cpu / syft.cpu, 0.15));
        goals.push(Goal::of("peak, --no-secrets : Syft", plain.peak / syft.peak, 0.07));
        goals.push(Goal::of("CPU,  with secrets : Syft", secrets.cpu / syft.cpu, 0.2));
    }
    println!("\n{}, median of {pairs}, turn by turn", limit::describe(image));
    table::print(&rows, "packages", &goals);
    match theirs {
        Some(theirs) => packages::print_differences(&found, &theirs),
        None => println!("Syft is not on PATH: `make bench-peers` builds it"),
    }
}

fn findings(ours: &Path, image: &Path, osv: &Path, directory: &Path, pairs: usize) {
    let Some(program) = Peer::OsvScanner.find(directory) else {
        println!("osv-scanner is not on PATH: `make bench-peers` builds it");
        return;
    };
    let scratch = tempfile::tempdir_in(directory).expect("a directory");
    let archive = scratch.path().join("image.tar");
    // docker-archive has uncompressed layers: what both then do is look and match.
    let copied = Command::new("skopeo")
        .args(["copy", "--quiet", &format!("oci:{}:image", image.display())])
        .arg(format!("docker-archive:{}:bench:1", archive.display()))
        .status();
    assert!(copied.expect("skopeo").success(), "the image can be copied");
    let index = advisories::index(ours, osv, scratch.path());
    let database = advisories::database(osv, scratch.path());
    let (listed, peers) = (directory.join("breakwater.json"), directory.join("osv-scanner.json"));
    let mut runs: [Vec<Figures>; 2] = Default::default();
    for _ in 0..pairs {
        let mut command = breakwater(ours, directory);
        command.arg(format!("docker-archive:{}", archive.display())).arg("--no-secrets");
        command.arg("--db").arg(&index).arg("-o").arg(format!("json={}", listed.display()));
        runs[0].push(measure(&mut command));
        let mut command = Command::new(&program);
        command.args(["scan", "image", "--offline", "--all-packages", "--format", "json", "--local-db-path"]);
        command.arg(&database).arg("--output-file").arg(&peers).arg("--archive").arg(&archive);
        runs[1].push(measure(&mut command));
    }
    let [plain, peer] = runs.map(|runs| Figures::median(&runs));
    let (found, theirs) = (advisories::breakwater(&listed), advisories::osv_scanner(&peers));
    let rows = [
        Row::of("breakwater --no-secrets", plain, Some(found.ids())),
        Row::of(&Peer::OsvScanner.name(), peer, Some(theirs.ids())),
    ];
    println!(
        "\nThe same as an uncompressed archive, and the same advisories, median of {pairs}, turn by turn"
    );
    table::print(&rows, "ids", &[Goal::of("CPU : osv-scanner", plain.cpu / peer.cpu, 0.25)]);
    advisories::print_differences(&found, &advisories::not_linked(&listed), &theirs);
}
