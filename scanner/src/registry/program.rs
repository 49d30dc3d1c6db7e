//! Programs that know credentials: run with bounds of time and output, and never shown.

use std::{ffi::OsStr, process::Stdio};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

use super::RegistryError;
use crate::limits::{MAX_PROGRAM_OUTPUT, PROGRAM_TIMEOUT};

/// What a program said.
pub(super) struct Said {
    pub(super) is_success: bool,
    pub(super) output: Vec<u8>,
}

/// Runs `program` with `input` on its standard input. Its environment is ours, and `environment` besides.
///
/// # Errors
/// [`RegistryError::CredentialsInvalid`]: it cannot be run, says too much, or does not end in time. It is stopped then.
pub(super) async fn ask<'a>(
    program: &OsStr,
    arguments: impl IntoIterator<Item = &'a str>,
    environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    input: &[u8],
) -> Result<Said, RegistryError> {
    let failed = |why: String| {
        RegistryError::CredentialsInvalid(format!("the program {}: {why}", program.to_string_lossy()))
    };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let conversation = async {
        let told = async {
            if let Some(mut stdin) = stdin {
                // A program that does not want to know is asked all the same.
                let _ = stdin.write_all(input).await;
            }
        };
        let heard = async {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(MAX_PROGRAM_OUTPUT + 1).read_to_end(&mut output).await?;
            }
            Ok::<_, std::io::Error>(output)
        };
        let ((), output) = tokio::join!(told, heard);
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.len() as u64 > MAX_PROGRAM_OUTPUT {
            return Err(failed(format!("it says more than {MAX_PROGRAM_OUTPUT} bytes")));
        }
        let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
        Ok(Said { is_success: status.success(), output })
    };
    tokio::time::timeout(PROGRAM_TIMEOUT, conversation)
        .await
        .unwrap_or_else(|_| Err(failed(format!("it did not end within {} s", PROGRAM_TIMEOUT.as_secs()))))
}
