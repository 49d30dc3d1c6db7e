//! The command line of Breakwater. Installed as `kubectl-breakwater` it is also a kubectl plugin.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command, Db};

mod arguments;
mod clock;
mod cluster;
mod connection;
mod db;
mod diff;
mod fix_plan;
mod scan;
mod terminal;

/// A policy is violated.
const VIOLATED: u8 = 1;
/// It could not be told, or something failed.
const UNTOLD: u8 = 2;
/// Ctrl-C: 128 and the signal's number, as shells have it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    terminal::end_quietly_on_closed_pipe();
    // Clap ends bad usage with status 2, which is ours for "could not be told" as well.
    let arguments = Arguments::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(run_until_interrupted(arguments.command));
            // A blocked read of a file or a resolver must not hold up the end.
            runtime.shutdown_background();
            ended
        });
    ended.unwrap_or_else(|error| {
        eprintln!("breakwater: {error:#}");
        ExitCode::from(UNTOLD)
    })
}

/// Ctrl-C ends everything at once, progress line and temporary files with it; the server ends by its own rules.
async fn run_until_interrupted(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Db(Db::Sync(arguments)) = command {
        return run(Command::Db(Db::Sync(arguments))).await;
    }
    tokio::select! {
        // The handler is there before anything is asked of anybody.
        biased;
        _ = tokio::signal::ctrl_c() => {
            eprintln!("breakwater: interrupted");
            Ok(ExitCode::from(INTERRUPTED))
        }
        ended = run(command) => ended,
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    // reqwest, kube and our own server share one TLS provider; a second installation is no error worth a word.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = |()| ExitCode::SUCCESS;
    Ok(match command {
        Command::Scan(arguments) => scan::run(&arguments, clock::now()).await?,
        Command::FixPlan(arguments) => fix_plan::run(&arguments, clock::now()).await?,
        Command::Diff(arguments) => diff::run(&arguments, clock::now()).await?,
        Command::Db(Db::Build(arguments)) => db::build(&arguments, clock::now()).await.map(done)?,
        Command::Db(Db::Update(arguments)) => db::update::run(&arguments, clock::now()).await.map(done)?,
        Command::Db(Db::Status { file, output }) => {
            db::status(&db::named_or_default(file.as_deref())?, output, clock::now()).map(done)?
        }
        Command::Db(Db::Verify { file }) => db::verify(&db::named_or_default(file.as_deref())?).map(done)?,
        Command::Db(Db::Sync(arguments)) => db::sync::run(arguments).await.map(done)?,
        Command::Explain(arguments) => cluster::explain(&arguments).await.map(done)?,
        Command::Undo(arguments) => cluster::undo(&arguments).await.map(done)?,
        Command::Version => {
            println!("breakwater {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "breakwater", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    })
}
