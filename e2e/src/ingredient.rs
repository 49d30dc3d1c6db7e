//! What an image needs besides its own files, made from files in each trade's own language:
//!
//! | file | makes | by |
//! |---|---|---|
//! | `NAME.c` | `NAME`, a static program | cc |
//! | `debian.txt`: package names | `rootfs.tar`, a Debian 12 root with these packages | mmdebstrap |
//! | `requirements.txt` | `python/`, installed packages with their metadata | pip |
//! | `package.json` | `node_modules/` | npm, without running any package's scripts |

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::command::{command, output};
use crate::error::AtPath;
use crate::{Layout, Result};

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
    Ok(())
}

/// Taken from the cache if there: some minutes of work that depend on nothing but the list.
fn debian(packages: &Path, to: &Path, layout: &Layout) -> Result<()> {
    let list = fs::read_to_string(packages).at(packages)?;
    let names: Vec<_> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let names = names.join(",");
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
