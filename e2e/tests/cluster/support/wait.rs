use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// Asks until there is an answer. The failure says what was awaited and what was seen last.
pub async fn eventually<T, S: Debug, F: Future<Output = Result<T, S>>>(
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(seen) if start.elapsed() > within => {
                panic!("not within {within:?}: {what}; last seen: {seen:#?}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
