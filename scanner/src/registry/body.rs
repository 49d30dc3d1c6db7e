//! Bodies within their bounds: size, and the lowest rate.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;

use super::RegistryError;
use crate::{clock::Stopwatch, limits::ANSWER_TIMEOUT};

/// The lowest rate accepted: `least` bytes, or the body's end, in every `window` of waiting. Time spent analysing does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub window: Duration,
    pub least: u64,
    /// Longest time until an answer's headers have arrived, all of them.
    pub answer: Duration,
}

impl Default for Pace {
    /// About 4 KiB a second.
    fn default() -> Self {
        Self { window: Duration::from_secs(15), least: 64 << 10, answer: ANSWER_TIMEOUT }
    }
}

/// A body that is read piece by piece.
pub(super) struct Body<'a> {
    host: &'a str,
    response: Response,
    pace: Pace,
    waited: Duration,
    got: u64,
}

impl<'a> Body<'a> {
    pub(super) fn new(host: &'a str, response: Response, pace: Pace) -> Self {
        Self { host, response, pace, waited: Duration::ZERO, got: 0 }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let patience = self.pace.window.saturating_sub(self.waited);
        let stopwatch = Stopwatch::start();
        let piece = tokio::time::timeout(patience, self.response.chunk()).await.map_err(|_| {
            RegistryError::TimedOut {
                host: self.host.to_owned(),
                why: format!("{} bytes in {} s", self.got, self.pace.window.as_secs()),
            }
        })?;
        let piece = piece.map_err(|error| RegistryError::of_exchange(self.host, &error))?;
        self.waited += stopwatch.elapsed();
        self.got += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if self.got >= self.pace.least {
            (self.waited, self.got) = (Duration::ZERO, 0);
        }
        Ok(piece)
    }

    /// All of it, if it is not larger than `bound` bytes.
    pub(super) async fn whole(mut self, what: &str, bound: usize) -> Result<Vec<u8>, RegistryError> {
        let too_large = || RegistryError::TooLarge { what: what.to_owned(), bound: bound as u64 };
        if self.response.content_length().is_some_and(|length| length > bound as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            if bytes.len() + piece.len() > bound {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}
