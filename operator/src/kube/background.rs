//! Tasks that rooms start for themselves. None of them may end unseen: a live-looking operator without a watch is worse than a restart.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Starts background tasks, and tells of the first that ends before the stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Background {
    stop: CancellationToken,
    ended: Arc<watch::Sender<Option<&'static str>>>,
}

/// A background task ended, by a panic or otherwise, before the process was asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("{0} ended before the process was asked to stop")]
pub struct EndedUnasked(&'static str);

impl Background {
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, ended: Arc::default() }
    }

    /// Starts `task`, which is dropped at the stop.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let watchman = Watchman { name, background: self.clone() };
        tokio::spawn(async move {
            // Dropped with this task, also while a panic unwinds it.
            let watchman = watchman;
            watchman.background.stop.run_until_cancelled(task).await;
        });
    }

    /// Ends with the stop, or with the first task that ended before it.
    ///
    /// # Errors
    /// [`EndedUnasked`], naming the task.
    pub async fn watch(self) -> Result<(), EndedUnasked> {
        let mut ended = self.ended.subscribe();
        tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            name = ended.wait_for(Option::is_some) => {
                Err(EndedUnasked(name.ok().and_then(|name| *name).unwrap_or("a background task")))
            }
        }
    }
}

struct Watchman {
    name: &'static str,
    background: Background,
}

impl Drop for Watchman {
    fn drop(&mut self) {
        if !self.background.stop.is_cancelled() {
            self.background.ended.send_replace(Some(self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_by_name() {
        let background = Background::new(CancellationToken::new());
        background.spawn("quiet", std::future::pending());
        background.spawn("loud", async { panic!("as planned") });
        let error = background.watch().await.unwrap_err();
        assert_eq!(error.to_string(), "loud ended before the process was asked to stop");
    }

    #[tokio::test]
    async fn a_stop_is_no_failure() {
        let stop = CancellationToken::new();
        let background = Background::new(stop.clone());
        background.spawn("quiet", std::future::pending());
        stop.cancel();
        tokio::task::yield_now().await;
        assert!(background.watch().await.is_ok());
    }
}
