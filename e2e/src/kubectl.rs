//! kubectl as the cluster's administrator.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{command, output, output_of, shown, succeeds};
use crate::{Layout, Result, kubeconfig};

/// The cluster's own kubectl with its administrator's kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { program: layout.bin().join("kubectl"), kubeconfig: layout.kubeconfig(kubeconfig::ADMIN) }
    }

    /// The command, not yet started.
    pub fn command<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Command {
        let mut command = command([&self.program]);
        command.env("KUBECONFIG", &self.kubeconfig).args(words);
        command
    }

    /// Standard output of a command that must succeed.
    ///
    /// # Errors
    /// [`crate::Error::Failed`] with what kubectl said.
    pub fn output<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Result<String> {
        output(&mut self.command(words))
    }

    /// As [`Kubectl::output`], with `input` on standard input: for `apply -f -` and its kin.
    ///
    /// # Errors
    /// [`crate::Error::Failed`] with what kubectl said.
    pub fn output_of<'w>(&self, words: impl IntoIterator<Item = &'w str>, input: &str) -> Result<String> {
        output_of(&mut self.command(words), input.as_bytes())
    }

    /// Whether the command succeeds.
    pub fn succeeds<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> bool {
        succeeds(&mut self.command(words))
    }

    /// Runs the command on this terminal.
    ///
    /// # Errors
    /// [`crate::Error::Failed`]; kubectl has said why.
    pub fn shown<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Result<()> {
        shown(&mut self.command(words))
    }
}
