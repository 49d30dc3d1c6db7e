//! The scan Job's binary. Exit 0: every image has an outcome, be it a failure. Exit 1: not all could be delivered. Exit 2: the Job was
//! started wrongly. Exit 143: stopped; what has no outcome is for the Job's owner to ask again.

use std::process::ExitCode;

use breakwater_scanner::job::{Arguments, run};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const UNDELIVERED: u8 = 1;
const STARTED_WRONGLY: u8 = 2;
const STOPPED: u8 = 128 + 15;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("BREAKWATER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    // One thread for the network; layers are computed on the blocking pool.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(scan(&arguments));
            // A layer's reader that waits for the network must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            tracing::error!(%error, "no runtime");
            STARTED_WRONGLY
        }
    };
    ExitCode::from(code)
}

async fn scan(arguments: &Arguments) -> u8 {
    let started = arguments.question().and_then(|question| Ok((arguments.intake(&question)?, question)));
    let (intake, question) = match started {
        Ok(started) => started,
        Err(error) => {
            tracing::error!(%error, "the Job was started wrongly");
            return STARTED_WRONGLY;
        }
    };
    let connection = arguments.connection(&question).await;
    let Ok(mut stop) = signal(SignalKind::terminate()) else { return STARTED_WRONGLY };
    tokio::select! {
        answered = run(&question, arguments.index, &connection, &intake) => match answered {
            Ok(()) => 0,
            Err(error) => {
                tracing::error!(%error, "not every outcome was delivered");
                UNDELIVERED
            }
        },
        _ = stop.recv() => {
            tracing::warn!("stopped before the end");
            STOPPED
        }
    }
}
