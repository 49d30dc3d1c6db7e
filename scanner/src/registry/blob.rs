//! A layer's bytes, streamed; taken up again where a connection broke.

use breakwater_core::Digest;
use reqwest::{Response, StatusCode, header::CONTENT_RANGE};

use super::{RegistryError, Repository, body::Body};
use crate::{
    layer::pieces::Feed,
    limits::{FIRST_PAUSE, MAX_LAYER, MAX_RESUMES},
};

impl Repository {
    /// Feeds a layer of `size` bytes to its reader. Ends early, without error, if the reader hangs up: it knows why.
    ///
    /// # Errors
    /// [`RegistryError`]. Whether the bytes are the right ones is the reader's to say.
    pub async fn layer(&self, digest: &Digest, size: u64, feed: &Feed) -> Result<(), RegistryError> {
        let what = || format!("layer {} of {}", digest.short(), self.name);
        if size > MAX_LAYER {
            return Err(RegistryError::TooLarge { what: what(), bound: MAX_LAYER });
        }
        let mut offset = 0;
        let mut resumes = 0;
        loop {
            let broken = match self.part(digest, size, &mut offset, feed).await {
                Ok(Part::Whole) => {
                    feed.end().await;
                    return Ok(());
                }
                Ok(Part::HungUp) => return Ok(()),
                Ok(Part::TooLong) => {
                    return Err(RegistryError::DigestMismatch {
                        what: what(),
                        expected: digest.clone(),
                        found: format!("found more than the {size} bytes that the manifest states"),
                    });
                }
                // Cut off behind the last byte: nothing is missing.
                Err(RegistryError::ConnectionFailed { .. }) if offset == size && offset > 0 => {
                    feed.end().await;
                    return Ok(());
                }
                Err(error @ RegistryError::ConnectionFailed { .. }) => error,
                Err(error) => return Err(error),
            };
            resumes += 1;
            if resumes > MAX_RESUMES {
                return Err(broken);
            }
            tracing::debug!(host = self.host, layer = %digest, offset, "taking up a broken layer");
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    async fn part(
        &self,
        digest: &Digest,
        size: u64,
        offset: &mut u64,
        feed: &Feed,
    ) -> Result<Part, RegistryError> {
        let response = self.blob(digest, *offset).await?;
        // A registry that does not know ranges begins anew: what was read already is passed over.
        let mut known = *offset - begin(&response).min(*offset);
        let mut body = Body::new(&self.host, response, self.connection.pace);
        while let Some(mut piece) = body.piece().await? {
            let skip = usize::try_from(known).unwrap_or(usize::MAX).min(piece.len());
            known -= skip as u64;
            let piece = piece.split_off(skip);
            *offset += piece.len() as u64;
            if *offset > size {
                return Ok(Part::TooLong);
            }
            if !piece.is_empty() && !feed.piece(piece).await {
                return Ok(Part::HungUp);
            }
        }
        if *offset == size {
            return Ok(Part::Whole);
        }
        let why = format!("the connection ended after {offset} of {size} bytes of layer {}", digest.short());
        Err(RegistryError::ConnectionFailed { host: self.host.clone(), why })
    }
}

enum Part {
    Whole,
    TooLong,
    HungUp,
}

/// Where the bytes of a partial answer begin (`Content-Range: bytes FIRST-LAST/SIZE`).
fn begin(response: &Response) -> u64 {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return 0;
    }
    let range =
        response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = range.trim_start_matches("bytes").trim().split('-').next().unwrap_or_default();
    first.parse().unwrap_or(0)
}
