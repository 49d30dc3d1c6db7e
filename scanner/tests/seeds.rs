//! The fuzz targets' seeds, in every test run: nothing panics, and those named `good-…` are understood.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use breakwater_core::{Digest, ImageReference, Platform};
use breakwater_scanner::{
    ScanOptions,
    contents::{MinerSearch, capabilities},
    image::{
        ImageDescription,
        local::{Source, archive::Entries, docker},
        manifest,
    },
    layer::{ExpectedLayer, LayerError, read_layer},
    packages::{
        LanguagePackage, PackageUrl, apk, auditable, composer, conda, cran, dotnet, dpkg,
        gobuild::BuildInfoSearch,
        java,
        license::{copyright, is_spdx, spdx},
        locks::Lock,
        npm, os_release,
        program::ProgramSearch,
        python, rpm, ruby,
    },
    registry::{
        Credentials, Providers,
        challenge::{self, Challenge},
        helper, link, provider, referrers, tags as registry_tags,
    },
    sbom,
    secrets::{SecretSearch, conceal},
};

/// Runs each seed of `target` through `is_understood`.
fn seeds(target: &str, is_understood: impl Fn(&[u8]) -> bool) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let is_good = path.file_name().unwrap().to_str().unwrap().starts_with("good-");
        assert!(is_understood(&fs::read(&path).unwrap()) || !is_good, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "{}", directory.display());
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn tar() {
    seeds("tar", |bytes| {
        let expected = ExpectedLayer { digest: Digest::of(bytes), diff_id: Digest::of(bytes) };
        match read_layer(bytes, &expected, ScanOptions::default()) {
            Ok(facts) => facts.files.len() == 5,
            // What is compressed has another digest inside; it was read to its end all the same.
            Err(error) => matches!(error, LayerError::DigestMismatch { what: "inflated layer", .. }),
        }
    });
}

#[test]
fn package_databases() {
    seeds("dpkg", |bytes| {
        !dpkg::parse_status(text(bytes)).is_empty() && !dpkg::parse_files(text(bytes)).is_empty()
    });
    seeds("apk", |bytes| apk::parse_installed(text(bytes)).0.len() == 2);
    seeds("os_release", |bytes| {
        os_release::parse(text(bytes)).is_some_and(|system| !system.version.is_empty())
    });
}

#[test]
fn java_archives() {
    seeds("jar", |bytes| {
        let listing = java::read("lib/c-1.2.jar", bytes).unwrap_or_default();
        listing.packages.iter().any(|package| package.name.ends_with("test:c") && package.version == "1.2")
    });
}

#[test]
fn rpm_databases() {
    for target in ["rpm_bdb", "rpm_ndb", "rpm_sqlite"] {
        seeds(target, |bytes| {
            let installed = rpm::read(bytes, |_| ());
            installed.damage.is_none() && installed.packages.len() == 2
        });
    }
    seeds("rpm_header", |bytes| {
        rpm::header::Header::parse(bytes).is_ok_and(|header| header.package().is_some())
    });
}

#[test]
fn lists_of_other_languages() {
    let is_c =
        |package: &LanguagePackage| package.name.to_lowercase().ends_with('c') && package.version == "1.2";
    seeds("gemspec", |bytes| ruby::parse("c-1.2.gemspec", text(bytes)).is_some_and(|gem| is_c(&gem)));
    seeds("conda", |bytes| conda::parse(bytes).is_ok_and(|record| is_c(&record)));
    seeds("npm", |bytes| {
        npm::parse(bytes).is_ok_and(|package| package.is_some_and(|package| is_c(&package)))
    });
    seeds("python", |bytes| python::parse(text(bytes)).is_some_and(|package| is_c(&package)));
    seeds("cran", |bytes| cran::parse(text(bytes)).is_some_and(|package| is_c(&package)));
    seeds("composer", |bytes| composer::parse(bytes).unwrap_or_default().iter().any(is_c));
    seeds("dotnet_deps", |bytes| dotnet::parse(bytes).unwrap_or_default().iter().any(is_c));
    seeds("auditable", |bytes| auditable::parse(bytes).packages.len() == 2);
}

#[test]
fn build_information() {
    seeds("buildinfo", |bytes| {
        let (piece, program) = bytes.split_first().unwrap();
        let mut search = BuildInfoSearch::default();
        for piece in program.chunks(usize::from(*piece)) {
            if !search.push(piece) {
                break;
            }
        }
        search.finish(Some(program)).packages.iter().any(|package| package.name == "x.test/c")
    });
}

#[test]
fn programs() {
    seeds("program", |bytes| {
        let (piece, program) = bytes.split_first().unwrap();
        let mut search = ProgramSearch::new(program.len() as u64, breakwater_scanner::HeldFile::default());
        for piece in program.chunks(usize::from(*piece)) {
            if !search.push(piece) {
                break;
            }
        }
        !search.finish().0.packages.is_empty()
    });
}

#[test]
fn lock_files() {
    let is_read = |lock: Lock, text: &str| lock.read(text).is_ok_and(|packages| !packages.is_empty());
    for (target, lock) in [
        ("yarn", Lock::Yarn),
        ("bun", Lock::Bun),
        ("gemfile", Lock::Gemfile),
        ("requirements", Lock::Requirements),
        ("gomod", Lock::GoModule),
        ("mix", Lock::Mix),
        ("gradle", Lock::Gradle),
    ] {
        seeds(target, |bytes| is_read(lock, text(bytes)));
    }
    seeds("locks", |bytes| {
        let (format, lock) = bytes.split_first().unwrap();
        is_read(Lock::ALL[usize::from(format - b'a')], text(lock))
    });
}

#[test]
fn licenses() {
    seeds("license", |bytes| {
        let found = [spdx(text(bytes)), copyright(text(bytes))].concat();
        found.iter().any(|license| is_spdx(license))
    });
}

#[test]
fn documents() {
    seeds("manifest", |bytes| manifest::parse(bytes, None).is_ok() || ImageDescription::parse(bytes).is_ok());
    seeds("referrers", |bytes| referrers::parse(bytes).is_some_and(|found| found.len() == 2));
    seeds("reference", |bytes| text(bytes).parse::<ImageReference>().is_ok());
    seeds("source", |bytes| text(bytes).parse::<Source>().is_ok());
    seeds("docker_archive", |bytes| docker::parse(bytes).is_ok());
    seeds("purl", |bytes| text(bytes).parse::<PackageUrl>().is_ok());
    let platform = Platform::linux("amd64");
    seeds("sbom", |bytes| {
        sbom::parse(bytes, "sbom:seed", "seed", &platform).is_ok_and(|found| !found.packages.is_empty())
    });
}

#[test]
fn archives_of_images() {
    seeds("oci_archive", |bytes| {
        let entries = Entries::read(Cursor::new(bytes), bytes.len() as u64);
        entries.is_ok_and(|entries| entries.find("index.json").is_some() && entries.find("out").is_none())
    });
}

#[test]
fn credentials() {
    let image: ImageReference = "registry.test:5000/team/app:1".parse().unwrap();
    seeds("credentials", |bytes| {
        let known = Credentials::parse(bytes).and_then(|known| known.for_repository(&image));
        known.is_ok_and(|credential| credential.is_some())
    });
    seeds("providers", |bytes| Providers::parse(bytes, PathBuf::new()).is_ok());
}

#[test]
fn headers() {
    seeds(
        "challenge",
        |bytes| matches!(challenge::parse(text(bytes).lines()), Some(Challenge::Bearer { realm, .. }) if realm.starts_with("https://auth.")),
    );
    seeds("link_header", |bytes| link::next(text(bytes)).is_some_and(|next| next.starts_with("/v2/")));
}

#[test]
fn secrets() {
    seeds("secrets", |bytes| {
        let (piece, text) = bytes.split_first().unwrap();
        let mut search = SecretSearch::default();
        search.begin("app/settings.env");
        text.chunks(usize::from(*piece)).all(|piece| search.push(piece));
        let shown = conceal("seed", std::str::from_utf8(text).unwrap());
        !search.finish().is_empty() && shown.text.contains('…')
    });
}

#[test]
fn capabilities() {
    seeds("capabilities", |attribute| capabilities::describe(attribute).starts_with("cap_"));
}

#[test]
fn miners() {
    seeds("miner", |bytes| {
        let (piece, program) = bytes.split_first().unwrap();
        let mut search = MinerSearch::default();
        program.chunks(usize::from(*piece)).for_each(|piece| search.push(piece));
        search.finish().is_some()
    });
}

#[test]
fn pages_of_tags() {
    seeds("tags", |page| registry_tags::parse(page).is_some());
}

#[test]
fn answers_of_programs_that_know_credentials() {
    seeds("credential_answers", |answer| {
        helper::parse(answer).flatten().is_some()
            || provider::parse(answer, "registry.test:5000/team/app").is_ok_and(|known| known.is_some())
    });
}
