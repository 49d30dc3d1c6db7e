//! Lock files as the tools write them (`testdata/locks`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, path::Path};

use breakwater_scanner::packages::Family;

const NPM: &[&str] = &[
    "pkg:npm/%40sindresorhus/is@4.6.0",
    "pkg:npm/left-pad@1.3.0",
    "pkg:npm/lodash@4.17.20",
    "pkg:npm/ms@2.1.2",
];
const PYTHON: &[&str] = &["pkg:pypi/iniconfig@2.0.0", "pkg:pypi/itsdangerous@2.0.1"];

#[test]
fn real_lock_files_are_read() {
    for (path, expected) in [
        ("npm1/package-lock.json", NPM),
        ("npm2/package-lock.json", NPM),
        ("npm3/package-lock.json", NPM),
        ("yarn1/yarn.lock", NPM),
        ("yarn4/yarn.lock", NPM),
        ("pnpm5/pnpm-lock.yaml", NPM),
        ("pnpm6/pnpm-lock.yaml", NPM),
        ("pnpm9/pnpm-lock.yaml", NPM),
        ("bun/bun.lock", NPM),
        ("uv/uv.lock", PYTHON),
        ("uv/pylock.toml", PYTHON),
        ("uv/requirements.txt", PYTHON),
        ("pipenv/Pipfile.lock", PYTHON),
        ("cargo/Cargo.lock", &["pkg:cargo/itoa@1.0.19", "pkg:cargo/smallvec@1.6.0"]),
        ("go/go.mod", &["pkg:golang/github.com/google/uuid@v1.3.0", "pkg:golang/golang.org/x/text@v0.3.5"]),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/locks").join(path);
        let packages = Family::of(path).unwrap().read(path, &fs::read(file).unwrap()).unwrap().packages;
        let urls: Vec<&str> = packages.iter().map(|package| package.purl.as_str()).collect();
        assert_eq!(urls, expected, "{path}");
    }
}
