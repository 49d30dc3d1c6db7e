//! Changes of facts become wake-ups of every policy, at most four a second.

use std::time::Duration;

use futures::{Stream, StreamExt, future::select_all, stream};
use tokio::sync::watch;

const PACE: Duration = Duration::from_millis(250);

/// Yields after any of the counters moved, not more often than every [`PACE`]; what moves meanwhile is one wake-up.
pub(super) fn changes<const N: usize>(counters: [watch::Receiver<u64>; N]) -> impl Stream<Item = ()> + Send {
    stream::unfold(counters, |mut counters| async move {
        let moved = {
            let waits = counters.iter_mut().map(|counter| Box::pin(counter.changed()));
            select_all(waits).await.0
        };
        moved.ok()?;
        tokio::time::sleep(PACE).await;
        counters.iter_mut().for_each(watch::Receiver::mark_unchanged);
        Some(((), counters))
    })
    .fuse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_wake_up_and_the_next_change_another() {
        let (first, second) = (watch::Sender::new(0), watch::Sender::new(0));
        let mut wakes = Box::pin(changes([first.subscribe(), second.subscribe()]));
        for n in 1..100 {
            first.send_replace(n);
            second.send_replace(n);
        }
        assert_eq!(wakes.next().await, Some(()));
        let idle = tokio::time::timeout(Duration::from_secs(60), wakes.next()).await;
        assert!(idle.is_err(), "nothing moved");
        second.send_replace(0);
        assert_eq!(wakes.next().await, Some(()));
    }
}
