//! Searches the files below a directory for secrets, as if the directory were an image's root: `secrets DIRECTORY`. Prints what is found
//! and how fast. `secrets --line MEGABYTES` searches a single line of that length. For measuring the search alone: texts are read into
//! memory first, 64 MiB at a time.
#![allow(clippy::disallowed_methods, reason = "it measures")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use breakwater_scanner::secrets::SecretSearch;

/// As the inflater hands them over.
const PIECE: usize = 128 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--line", megabytes] => line(megabytes.parse()?),
        [directory] => tree(Path::new(directory))?,
        _ => return Err("secrets DIRECTORY | --line MEGABYTES".into()),
    }
    Ok(())
}

#[derive(Default)]
struct Totals {
    files: usize,
    /// Of files that were searched to their end.
    text: usize,
    all: usize,
    found: usize,
    time: Duration,
}

fn tree(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut totals = Totals::default();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut directories: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    let Ok(content) = fs::read(entry.path()) else { continue };
                    let path = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
                    bytes += content.len();
                    batch.push((path, content));
                }
                _ => {}
            }
            if bytes > 64 << 20 {
                search(&std::mem::take(&mut batch), &mut totals);
                bytes = 0;
            }
        }
    }
    search(&batch, &mut totals);
    let rate = |bytes: usize| bytes as f64 / 1e6 / totals.time.as_secs_f64();
    println!(
        "{} files, {} MB of which {} MB text, in {:?}: {:.0} MB/s of text, {:.0} MB/s of all; {} secrets",
        totals.files,
        totals.all / 1_000_000,
        totals.text / 1_000_000,
        totals.time,
        rate(totals.text),
        rate(totals.all),
        totals.found
    );
    Ok(())
}

fn search(files: &[(String, Vec<u8>)], totals: &mut Totals) {
    let mut search = SecretSearch::default();
    for (path, content) in files {
        let started = Instant::now();
        search.begin(path);
        let is_text = content.chunks(PIECE).all(|piece| search.push(piece));
        let found = search.finish();
        totals.time += started.elapsed();
        totals.files += 1;
        totals.all += content.len();
        totals.text += if is_text { content.len() } else { 0 };
        totals.found += found.len();
        for secret in found {
            println!("{} {path}:{}", secret.rule, secret.line);
        }
    }
}

fn line(megabytes: usize) {
    for (what, unit) in [
        ("letters", "lorem ipsum dolor sit amet "),
        ("json", r#"{"id": 4711, "token": "abc", "url": "https://a.test/b"}, "#),
        ("hostile", "token=token=token=eyJh-ghp_://a:"),
    ] {
        let piece = unit.repeat(PIECE / unit.len());
        let started = Instant::now();
        let mut search = SecretSearch::default();
        search.begin("app/line.json");
        let mut bytes = 0;
        while bytes < megabytes * 1_000_000 {
            search.push(piece.as_bytes());
            bytes += piece.len();
        }
        let held = search.held_bytes();
        let found = search.finish().len();
        let time = started.elapsed();
        let rate = bytes as f64 / 1e6 / time.as_secs_f64();
        println!(
            "{what}: {megabytes} MB on one line in {time:?} ({rate:.0} MB/s), {held} bytes held, {found} secrets"
        );
    }
}
