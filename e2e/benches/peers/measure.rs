//! A program's processor time, wall time and peak memory, by GNU `time`.

use std::process::{Command, Stdio};

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Seconds of user and system time.
    pub(crate) cpu: f64,
    /// Seconds.
    pub(crate) wall: f64,
    /// MiB.
    pub(crate) peak: f64,
}

impl Figures {
    /// Each figure's median; zeros of no runs.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Self { cpu: of(|run| run.cpu), wall: of(|run| run.wall), peak: of(|run| run.peak) }
    }
}

/// Runs it. Findings may be a status of 1; anything else is a failure.
pub(crate) fn measure(command: &mut Command) -> Figures {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut timed = Command::new("time");
    timed.args(["--format", "%U %S %e %M", "--output"]).arg(file.path());
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    let output = timed.stdin(Stdio::null()).output().expect("GNU time (Debian: apt install time)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {}\n{said}", output.status);
    let text = std::fs::read_to_string(file.path()).expect("figures");
    // Above them stands the exit status, if it is not 0.
    let figures = text.lines().last().expect("a line").split(' ').map(|word| word.parse::<f64>());
    let figures: Vec<f64> = figures.collect::<Result<_, _>>().expect("numbers");
    Figures { cpu: figures[0] + figures[1], wall: figures[2], peak: figures[3] / 1024.0 }
}
