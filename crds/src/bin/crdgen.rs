//! Writes the CustomResourceDefinitions to a folder, or with `--check` says whether the folder is up to date.

use std::{env, fs, path::Path, process::ExitCode};

use breakwater_crds::manifest;

const USAGE: &str = "usage: crdgen [--check] [FOLDER]\n\nWrites the CustomResourceDefinitions to FOLDER (default: config/crd).\nWith --check writes nothing and fails if a file there differs.";

fn main() -> ExitCode {
    let mut check = false;
    let mut folder = None;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--check" => check = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            other if other.starts_with('-') || folder.is_some() => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
            other => folder = Some(other.to_owned()),
        }
    }
    match run(Path::new(folder.as_deref().unwrap_or("config/crd")), check) {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => {
            eprintln!("not up to date: {}\nrun: cargo run -p breakwater-crds --bin crdgen", stale.join(", "));
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("crdgen: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Names of files that differ; without `check` they are written instead and none is returned.
fn run(folder: &Path, check: bool) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut stale = Vec::new();
    for file in manifest::files()? {
        let path = folder.join(&file.name);
        let current = fs::read_to_string(&path).unwrap_or_default();
        if current == file.content {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            fs::create_dir_all(folder)?;
            fs::write(&path, file.content)?;
            println!("wrote {}", path.display());
        }
    }
    Ok(stale)
}
