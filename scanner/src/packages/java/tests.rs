use std::io::{Cursor, Write as _};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::limits::MAX_UNREAD;

const POM: &str = "META-INF/maven/org.example/lib/pom.properties";

fn properties(group: &str, artifact: &str, version: &str) -> Vec<u8> {
    format!("#Created by Apache Maven\nversion={version}\ngroupId={group}\nartifactId={artifact}\n")
        .into_bytes()
}

fn archive_by(method: CompressionMethod, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    archive_by(CompressionMethod::Deflated, files)
}

fn told(listing: &Listing) -> Vec<(String, &str)> {
    let text = |p: &LanguagePackage| format!("{}@{}", p.name, p.version);
    listing.packages.iter().map(|p| (text(p), p.within.as_str())).collect()
}

fn reasons(listing: &Listing) -> Vec<(&str, &str)> {
    listing.unread.iter().map(|item| (item.path.as_str(), item.reason.as_str())).collect()
}

#[test]
fn archives_within_archives_say_where_they_lie() {
    let library = archive(&[(POM, &properties("org.example", "lib", "1.2")), ("org/example/A.class", b"")]);
    let module = archive(&[("WEB-INF/lib/lib-1.2.jar", &library)]);
    let application = archive_by(
        CompressionMethod::Stored,
        &[("BOOT-INF/lib/lib-1.2.jar", &library), ("BOOT-INF/lib/web.WAR", &module), ("readme.txt", b"x")],
    );
    // Executable archives begin with the script that launches them; offsets count from the archive or from the file.
    let launched = [b"#!/bin/bash\nexec java -jar $0\n".as_slice(), &application].concat();
    for bytes in [&application, &launched] {
        let listing = read("srv/app.jar", bytes).unwrap();
        assert_eq!(
            told(&listing),
            [
                ("org.example:lib@1.2".into(), "BOOT-INF/lib/lib-1.2.jar"),
                ("org.example:lib@1.2".into(), "BOOT-INF/lib/web.WAR!/WEB-INF/lib/lib-1.2.jar"),
            ]
        );
        assert_eq!(listing.packages[0].purl, "pkg:maven/org.example/lib@1.2");
        assert_eq!(reasons(&listing), []);
    }
}

#[test]
fn an_archive_is_what_it_states_and_what_was_shaded_into_it() {
    let manifest: &[u8] = b"Implementation-Vendor-Id: com.example\nImplementation-Version: 3\n";
    let own = properties("org.example", "lib", "1");
    let shaded = properties("org.shaded", "dep", "2");
    let shaded_at = "META-INF/maven/org.shaded/dep/pom.properties";
    let project: &[u8] =
        b"<project><groupId>org.example</groupId><artifactId>lib</artifactId><version>9</version></project>";
    let project_at = "META-INF/maven/org.example/lib/pom.xml";
    let class = ("com/example/A.class", b"".as_slice());
    for (file, files, expected) in [
        (
            "lib-1.jar",
            vec![(POM, &own[..]), (shaded_at, &shaded)],
            vec!["org.example:lib@1", "org.shaded:dep@2"],
        ),
        ("lib-1.jar", vec![(POM, &own[..]), (project_at, project)], vec!["org.example:lib@1"]),
        ("lib-9.jar", vec![(project_at, project)], vec!["org.example:lib@9"]),
        (
            "other-3.jar",
            vec![(shaded_at, &shaded[..]), ("META-INF/MANIFEST.MF", manifest)],
            vec!["org.shaded:dep@2", "com.example:other@3"],
        ),
        ("app.jar", vec![(shaded_at, &shaded[..]), class], vec!["org.shaded:dep@2"]),
        (
            "x.jar",
            vec![("WEB-INF/classes/META-INF/maven/org.shaded/dep/pom.properties", &shaded[..])],
            vec!["org.shaded:dep@2"],
        ),
        ("x.jar", vec![("META-INF/maven/pom.properties", &shaded[..])], vec![]),
    ] {
        let listing = read(&format!("opt/{file}"), &archive(&files)).unwrap();
        let names: Vec<_> = told(&listing).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, expected, "{file}");
        assert_eq!(reasons(&listing), []);
    }
}

#[test]
fn what_an_archive_does_not_tell_is_said() {
    let nameless = read("app.jar", &archive(&[("a/A.class", b"")])).unwrap();
    assert!(nameless.packages.is_empty());
    assert!(nameless.unread[0].reason.contains("names no Maven artifact"));
    let guessed = read("lib-3.jar", &archive(&[("com/example/A.class", b"")])).unwrap();
    assert_eq!(guessed.packages[0].name, "com.example:lib");
    assert!(guessed.unread[0].reason.contains("guessed"));
    let homeless = read("thing-1.0.jar", &archive(&[("A.class", b"")])).unwrap();
    assert_eq!(homeless.packages[0].purl, "pkg:maven/thing@1.0");
    assert!(homeless.unread[0].reason.contains("names no Maven group"));
    assert_eq!(read("only-resources.jar", &archive(&[("a.png", b"")])).unwrap(), Listing::default());
    assert!(read("a.jar", b"PK").is_err());
    assert_eq!(read("empty.jar", &archive(&[])).unwrap(), Listing::default());
}

#[test]
fn damage_is_reported_and_the_rest_is_read() {
    let good = properties("org.example", "lib", "1");
    let bytes =
        archive(&[("META-INF/maven/a/b/pom.properties", &good), (POM, &good), ("in.jar", b"no archive")]);
    let mut listing = read("x.jar", &bytes).unwrap();
    assert_eq!(
        reasons(&listing),
        [("in.jar", "an archive without a central directory: it is damaged or cut off")]
    );
    // The first local header is gone.
    let mut damaged = bytes.clone();
    damaged[0] = 0;
    listing = read("x.jar", &damaged).unwrap();
    assert_eq!(told(&listing), [("org.example:lib@1".into(), "")]);
    assert_eq!(listing.unread.len(), 2);
    // The directory's second entry is gone.
    let second = memchr::memmem::find_iter(&bytes, b"PK\x01\x02").nth(1).unwrap();
    let mut damaged = bytes;
    damaged[second] = 0;
    assert!(reasons(&read("x.jar", &damaged).unwrap())[0].1.contains("directory is damaged"));
}

#[test]
fn nesting_is_followed_to_its_bound_and_no_further() {
    let mut bytes = archive(&[(POM, &properties("org.example", "lib", "1"))]);
    for level in 0..MAX_ARCHIVE_DEPTH {
        let found = read("x.jar", &bytes).unwrap();
        assert_eq!((found.packages.len(), found.unread.len()), (1, 0), "{level}");
        bytes = archive(&[("in.jar", &bytes)]);
    }
    assert_eq!(read("x.jar", &bytes).unwrap().packages.len(), 1);
    bytes = archive(&[("in.jar", &bytes)]);
    let listing = read("x.jar", &bytes).unwrap();
    assert!(listing.packages.is_empty());
    assert_eq!(listing.unread[0].reason, "an archive nested deeper than is read");
}

#[test]
fn a_thousand_archives_within_one_are_read() {
    let inner: Vec<_> = (0..1000)
        .map(|n| (format!("lib/a{n}.jar"), archive(&[(POM, &properties("g.h", &format!("a{n}"), "1"))])))
        .collect();
    let files: Vec<_> = inner.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let listing = read("x.jar", &archive(&files)).unwrap();
    assert_eq!((listing.packages.len(), listing.unread.len()), (1000, 0));
}

#[test]
fn bombs_stop_at_the_bounds() {
    // Each level holds ten of the level below: ten to the fifth archives and a tenth more.
    let mut bytes = archive(&[("A.class", b"")]);
    for _ in 0..5 {
        let names: Vec<_> = (0..10).map(|n| format!("{n}.jar")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), bytes.as_slice())).collect();
        bytes = archive(&files);
    }
    let listing = read("x.jar", &bytes).unwrap();
    assert_eq!(listing.unread.len(), MAX_UNREAD);

    // Thirty archives of 40 MB of zeros: none is inflated.
    let zeros = vec![0; 40 << 20];
    let listing = read("x.jar", &archive(&[("a.jar", &zeros), ("b.jar", &zeros)])).unwrap();
    assert_eq!(
        reasons(&listing),
        [
            ("a.jar", "an archive in an archive that is larger than is read there"),
            ("b.jar", "an archive in an archive that is larger than is read there"),
        ]
    );

    // Entries that all point to the same bytes: what they cost together counts.
    let one = archive(&[("a.jar", &zeros[..16 << 20])]);
    let directory = memchr::memmem::find(&one, b"PK\x01\x02").unwrap();
    let (content, rest) = one.split_at(directory);
    let entry = &rest[..46 + 5];
    let mut many = [content, &entry.repeat(200)].concat();
    let length = (entry.len() * 200) as u32;
    many.extend_from_slice(b"PK\x05\x06\0\0\0\0\xc8\0\xc8\0");
    many.extend_from_slice(&length.to_le_bytes());
    many.extend_from_slice(&(directory as u32).to_le_bytes());
    many.extend_from_slice(&[0, 0]);
    let listing = read("x.jar", &many).unwrap();
    assert_eq!(listing.unread.last().unwrap().reason, "inflates to more than is read: the rest is not read");
    assert!(listing.unread.len() < 70);
}

#[test]
fn a_size_that_lies_takes_no_memory_and_no_more_than_stated() {
    let bytes = archive(&[("META-INF/MANIFEST.MF", &[b'x'; 5000])]);
    let directory = memchr::memmem::find(&bytes, b"PK\x01\x02").unwrap();
    for stated in [0_u32, 10, 4_999, 1 << 20] {
        let mut lying = bytes.clone();
        lying[directory + 24..directory + 28].copy_from_slice(&stated.to_le_bytes());
        let zip = Zip::open(&lying).unwrap();
        let member = zip.members().next().unwrap().unwrap();
        let content = member.inflate(zip.stored(&member).unwrap()).unwrap();
        assert_eq!(content.len(), (stated as usize).min(5000));
    }
}
