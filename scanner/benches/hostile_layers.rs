//! Layers made to hurt: time and memory that reading them takes, and what is reported. Each case runs in a process of its own, so that
//! its peak memory is its own; the layer is generated while it is read and never lies anywhere as a whole.
//!
//! `cargo bench -p breakwater-scanner --bench hostile_layers [CASE]`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and stops where it cannot"
)]

use std::io::{self, BufReader, Write};
use std::process::Command;
use std::time::Instant;

use breakwater_core::Digest;
use breakwater_scanner::layer::{Evidence, ExpectedLayer, LayerFacts, read_layer};
use sha2::{Digest as _, Sha256};

type Generate = fn(&mut dyn Write) -> io::Result<()>;

/// Name, whether it is compressed, and what writes its tar.
const CASES: [(&str, bool, Generate); 5] = [
    ("3,000,000 empty files", true, |to| empty_files(to, 3_000_000)),
    ("10 GB of zeros", true, |to| zeros(to, 10_000_000_000)),
    ("100,000 nested directories", false, |to| nested(to, 100_000)),
    ("1,000 jars in each other", true, |to| jar(to, &jars_in_each_other(1_000))),
    ("1,000 jars in one", true, |to| jar(to, &jars_in_one(1_000))),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, case] = arguments.as_slice()
        && flag == "--case"
    {
        measure(case);
        return;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    println!("{:<28}{:>9}{:>10}{:>12}  reported", "case", "wall", "CPU", "peak");
    for (name, ..) in
        CASES.iter().filter(|(name, ..)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())))
    {
        let child = Command::new(std::env::current_exe().unwrap()).args(["--case", name]).output().unwrap();
        print!("{}", String::from_utf8_lossy(&child.stdout));
        if !child.status.success() {
            println!("{name:<28}{}\n{}", child.status, String::from_utf8_lossy(&child.stderr));
        }
    }
}

/// Generates the layer once for its digests, and once more for reading; prints the reading's figures. CPU is the reader's alone.
fn measure(case: &str) {
    let (name, is_compressed, generate) = *CASES.iter().find(|(name, ..)| *name == case).unwrap();
    let mut tar = Hashing { hash: Sha256::new(), to: io::sink() };
    generate(&mut tar).unwrap();
    let diff_id = tar.digest();
    let mut blob = Hashing { hash: Sha256::new(), to: io::sink() };
    write_blob(&mut blob, is_compressed, generate).unwrap();
    let expected = ExpectedLayer { digest: blob.digest(), diff_id };

    let (from, mut to) = io::pipe().unwrap();
    // It ends early if the reader does.
    let writer = std::thread::spawn(move || drop(write_blob(&mut to, is_compressed, generate)));
    let (start, cpu) = (Instant::now(), thread_cpu());
    let read = read_layer(
        BufReader::with_capacity(128 << 10, from),
        &expected,
        breakwater_scanner::ScanOptions::default(),
    );
    let (wall, cpu) = (start.elapsed().as_secs_f64(), thread_cpu() - cpu);
    writer.join().unwrap();
    let reported = match read {
        Ok(facts) => reported(&facts),
        Err(error) => format!("refused: {error}"),
    };
    println!("{name:<28}{wall:>7.1} s{cpu:>8.1} s{:>8.0} MiB  {reported}", peak());
}

/// What the layer and the archives in it are said to be unread of.
fn reported(facts: &LayerFacts) -> String {
    let layer = facts.unanalysed.iter().map(|item| item.reason.as_str());
    let archives = facts.files.values().filter_map(|file| match &file.evidence {
        Some(Evidence::Language(found)) => Some(&found.unread),
        _ => None,
    });
    let reasons: Vec<_> = layer.chain(archives.flatten().map(|item| item.reason.as_str())).collect();
    if reasons.is_empty() { "read whole".to_owned() } else { reasons.join("; ") }
}

fn write_blob(mut to: impl Write, is_compressed: bool, generate: Generate) -> io::Result<()> {
    if !is_compressed {
        return generate(&mut to);
    }
    let mut gzip = flate2::write::GzEncoder::new(to, flate2::Compression::default());
    generate(&mut gzip)?;
    gzip.finish().map(drop)
}

struct Hashing<W> {
    hash: Sha256,
    to: W,
}

impl<W> Hashing<W> {
    fn digest(self) -> Digest {
        Digest::from_sha256(self.hash.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn header(path: &[u8], kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    let name = &mut header.as_gnu_mut().unwrap().name;
    let length = path.len().min(name.len());
    name[..length].copy_from_slice(&path[..length]);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

fn empty_files(to: &mut dyn Write, count: u32) -> io::Result<()> {
    for number in 0..count {
        let path = format!("srv/{:03}/{number:07}", number % 1000);
        to.write_all(header(path.as_bytes(), tar::EntryType::Regular, 0).as_bytes())?;
    }
    to.write_all(&[0; 1024])
}

fn zeros(to: &mut dyn Write, size: u64) -> io::Result<()> {
    to.write_all(header(b"srv/zeros", tar::EntryType::Regular, size).as_bytes())?;
    let block = vec![0; 1 << 20];
    let mut left = size.next_multiple_of(512) + 1024;
    while left > 0 {
        let piece = left.min(block.len() as u64);
        to.write_all(&block[..usize::try_from(piece).unwrap()])?;
        left -= piece;
    }
    Ok(())
}

/// Each directory in the one before, by its whole name, as tar writes it: 10 GB of names.
fn nested(to: &mut dyn Write, depth: usize) -> io::Result<()> {
    let path = "d/".repeat(depth);
    for depth in 1..=depth {
        let path = &path.as_bytes()[..2 * depth];
        if path.len() > 100 {
            to.write_all(
                header(b"././@LongLink", tar::EntryType::GNULongName, path.len() as u64).as_bytes(),
            )?;
            to.write_all(path)?;
            to.write_all(&[0; 512][..path.len().next_multiple_of(512) - path.len()])?;
        }
        to.write_all(header(path, tar::EntryType::Directory, 0).as_bytes())?;
    }
    to.write_all(&[0; 1024])
}

fn jar(to: &mut dyn Write, jar: &[u8]) -> io::Result<()> {
    to.write_all(header(b"srv/app.jar", tar::EntryType::Regular, jar.len() as u64).as_bytes())?;
    to.write_all(jar)?;
    to.write_all(&vec![0; jar.len().next_multiple_of(512) - jar.len() + 1024])
}

fn jars_in_each_other(depth: u32) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, number| archive(number, [("lib/inner.jar".to_owned(), inner)]))
}

fn jars_in_one(count: u32) -> Vec<u8> {
    archive(count, (0..count).map(|number| (format!("lib/{number}.jar"), archive(number, []))))
}

/// A jar that says who it is, with further entries.
fn archive(number: u32, entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let properties = format!("groupId=test\nartifactId=app-{number}\nversion=1.0\n");
    let own = (format!("META-INF/maven/test/app-{number}/pom.properties"), properties.into_bytes());
    for (name, content) in std::iter::once(own).chain(entries) {
        archive.start_file(name, stored).unwrap();
        archive.write_all(&content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Seconds of processor time that this thread has used (proc(5), `stat`, in hundredths).
fn thread_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// The most memory that this process has used, in MiB (proc(5), `VmHWM`).
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
