//! The process' tasks, by name. A task that ends unasked ends the process: a live-looking operator without a watch is worse than a restart.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How long tasks may finish what they are at after a stop, before they are cut off. Two seconds is what a hand-over may take in all.
pub const GRACE: Duration = Duration::from_millis(800);

/// Why the tasks ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Exit {
    #[error("{task} ended before the process was asked to stop")]
    Ended { task: &'static str },
    #[error("{task} failed: {cause:#}")]
    Failed { task: &'static str, cause: anyhow::Error },
    #[error("a task panicked: {0}")]
    Panicked(tokio::task::JoinError),
}

/// Named tasks with one end.
#[derive(Debug)]
pub struct Tasks {
    stop: CancellationToken,
    set: JoinSet<(&'static str, anyhow::Result<()>)>,
    running: BTreeSet<&'static str>,
}

impl Tasks {
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, set: JoinSet::new(), running: BTreeSet::new() }
    }

    /// Starts `task`, which runs until the stop token is cancelled.
    pub fn spawn<E>(&mut self, name: &'static str, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<anyhow::Error>,
    {
        self.running.insert(name);
        self.set.spawn(async move { (name, task.await.map_err(Into::into)) });
    }

    /// Waits until all tasks have ended after a stop, at most `grace` for those that linger, or until the first ends unasked.
    ///
    /// # Errors
    /// [`Exit`] when a task failed, panicked, or ended before the stop. The other tasks are cut off then.
    pub async fn run(mut self, grace: Duration) -> Result<(), Exit> {
        let stop = self.stop.clone();
        let deadline = async {
            stop.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                ended = self.set.join_next() => match ended {
                    None => return Ok(()),
                    Some(Err(error)) => return Err(Exit::Panicked(error)),
                    Some(Ok((task, Err(cause)))) => return Err(Exit::Failed { task, cause }),
                    Some(Ok((task, Ok(())))) if !self.stop.is_cancelled() => return Err(Exit::Ended { task }),
                    Some(Ok((task, Ok(())))) => {
                        self.running.remove(task);
                    }
                },
                () = &mut deadline => {
                    tracing::warn!(left = ?self.running, "tasks did not end in time and are cut off");
                    self.set.shutdown().await;
                    return Ok(());
                }
            }
        }
    }
}

/// Cancels `stop` on SIGTERM or SIGINT; ends when it is cancelled.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        () = stop.cancelled() => {}
    }
    stop.cancel();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks() -> (CancellationToken, Tasks) {
        let stop = CancellationToken::new();
        (stop.clone(), Tasks::new(stop))
    }

    async fn until(stop: CancellationToken) -> anyhow::Result<()> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn a_task_that_ends_unasked_is_named() {
        let (stop, mut tasks) = tasks();
        tasks.spawn("steady", until(stop));
        tasks.spawn("flighty", async { anyhow::Ok(()) });
        let exit = tasks.run(GRACE).await.unwrap_err();
        assert_eq!(exit.to_string(), "flighty ended before the process was asked to stop");
    }

    #[tokio::test]
    async fn a_failed_or_panicked_task_ends_the_rest() {
        let (stop, mut failing) = tasks();
        failing.spawn("steady", until(stop));
        failing.spawn("watch", async { anyhow::bail!("gone") });
        assert_eq!(failing.run(GRACE).await.unwrap_err().to_string(), "watch failed: gone");
        let (_, mut panicking) = tasks();
        panicking.spawn("bug", async { if true { panic!("bug") } else { anyhow::Ok(()) } });
        assert!(matches!(panicking.run(GRACE).await, Err(Exit::Panicked(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_stop_all_end_and_laggards_are_cut_off() {
        let (stop, mut tasks) = tasks();
        tasks.spawn("steady", until(stop.clone()));
        tasks.spawn("laggard", std::future::pending::<anyhow::Result<()>>());
        stop.cancel();
        assert!(tasks.run(GRACE).await.is_ok());
    }
}
