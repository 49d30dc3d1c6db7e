//! What an image needs besides its own files, made from files in each trade's own language:
//!
//! | file | makes | by |
//! |---|---|---|
//! | `NAME.c` | `NAME`, a static program | cc |
//! | `debian.txt`: package names | `rootfs.tar`, a Debian 12 root with these packages | mmdebstrap |
//! | `requirements.txt` | `python/`, installed packages with their metadata | pip |
//! | `package.json` | `node_modules/` | npm, without running any package's scripts |
//! | `java.txt`: Maven coordinates | `java/`, their jar files | mvn |
//! | `go.txt`: modules in `e2e/cluster` | `programs/` | go |
//! | `crates.txt`: names and versions | `programs/`, with what they are made of in `.dep-v0` | cargo-auditable |

use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::command::{command, output};
use crate::error::AtPath;
use crate::program::Program;
use crate::{Layout, Progress, Result};

/// Makes all that the files in `context` ask for.
pub(crate) fn make(context: &Path, layout: &Layout) -> Result<()> {
    for entry in fs::read_dir(context).at(context)? {
        let path = entry.at(context)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            let program = path.with_extension("");
            output(
                command(["cc", "-static", "-Os", "-s", "-Wall", "-Werror", "-o"]).arg(program).arg(&path),
            )?;
        }
    }
    let asked = |name: &str| Some(context.join(name)).filter(|path| path.exists());
    if let Some(packages) = asked("debian.txt") {
        debian(&packages, &context.join("rootfs.tar"), layout)?;
    }
    if let Some(requirements) = asked("requirements.txt") {
        let mut pip =
            command(["pip3", "install", "--quiet", "--no-deps", "--no-compile", "--root-user-action=ignore"]);
        pip.args(["--disable-pip-version-check", "--target"]).arg(context.join("python"));
        output(pip.arg("--requirement").arg(requirements))?;
    }
    if asked("package.json").is_some() {
        let mut npm =
            command(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]);
        output(npm.arg("--loglevel=error").current_dir(context))?;
        // npm's own notes name the host that served the packages.
        fs::remove_file(context.join("node_modules/.package-lock.json")).ok();
    }
    let programs = context.join("programs");
    if let Some(artefacts) = asked("java.txt") {
        for artefact in lines(&artefacts)? {
            let mut mvn = command(["mvn", "--quiet", "--batch-mode"]);
            mvn.arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy");
            mvn.arg(format!("-Dartifact={artefact}")).current_dir(context);
            output(mvn.arg(format!("-DoutputDirectory={}", context.join("java").display())))?;
        }
    }
    if let Some(crates) = asked("crates.txt") {
        let root = context.join("crates");
        for line in lines(&crates)? {
            let (name, version) = line.split_once(' ').unwrap_or((&line, "*"));
            let mut cargo = cargo_auditable(layout)?;
            output(cargo.args(["install", name, "--version", version, "--locked", "--root"]).arg(&root))?;
        }
        let built = root.join("bin");
        fs::rename(&built, &programs).at(&built)?;
    }
    if let Some(modules) = asked("go.txt") {
        fs::create_dir_all(&programs).at(&programs)?;
        for module in lines(&modules)? {
            let built = Program::of_module(&module)?.build(layout, &Progress::new())?;
            fs::copy(&built, programs.join(module)).at(&built)?;
        }
    }
    Ok(())
}

/// `cargo auditable`, built once per machine.
fn cargo_auditable(layout: &Layout) -> Result<Command> {
    let root = layout.cache.join("cargo-auditable");
    let program = root.join("bin/cargo-auditable");
    if !program.exists() {
        let mut install = command(["cargo", "install", "--quiet", "cargo-auditable", "--version", "0.7.4"]);
        output(install.args(["--locked", "--root"]).arg(&root))?;
    }
    let mut command = Command::new(program);
    command.arg("auditable");
    Ok(command)
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let list = fs::read_to_string(path).at(path)?;
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// Taken from the cache if there: some minutes of work that depend on nothing but the list.
fn debian(packages: &Path, to: &Path, layout: &Layout) -> Result<()> {
    let names = lines(packages)?.join(",");
    let key = hex::encode(Sha256::digest(&names));
    let cached = layout.cache.join(format!("debian-{key:.16}.tar"));
    if !cached.exists() {
        let half = cached.with_extension("half.tar");
        let mut make = command(["mmdebstrap", "--quiet", "--variant=minbase", &format!("--include={names}")]);
        // The image is for scanning and running, not for reading manuals.
        make.args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]);
        make.args(["--dpkgopt=path-exclude=/usr/share/locale/*", "--aptopt=Apt::Install-Recommends false"]);
        output(make.arg("bookworm").arg(&half).env("SOURCE_DATE_EPOCH", "0"))?;
        fs::rename(&half, &cached).at(&cached)?;
    }
    fs::copy(&cached, to).at(&cached)?;
    Ok(())
}
