//! A layer's bytes, streamed; taken up again where a connection broke.

use breakwater_core::Digest;
use reqwest::{Response, StatusCode, header::CONTENT_RANGE};

use super::{RegistryError, body::Body, endpoint::Endpoint};
use crate::{
    layer::pieces::Feed,
    limits::{FIRST_PAUSE, MAX_LAYER, MAX_RESUMES},
};

impl Endpoint {
    /// Feeds a layer from `offset` on, which moves with what was fed: another endpoint may go on from there.
    pub(super) async fn layer(
        &self,
        digest: &Digest,
        size: u64,
        offset: &mut u64,
        feed: &Feed,
    ) -> Result<(), RegistryError> {
        let what = || format!("layer {} of {}", digest.short(), self.name);
        if size > MAX_LAYER {
            return Err(RegistryError::TooLarge { what: what(), bound: MAX_LAYER });
        }
        let mut resumes = 0;
        loop {
            let broken = match self.part(digest, size, offset, feed).await {
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
                Err(RegistryError::ConnectionFailed { .. }) if *offset == size && size > 0 => {
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
        let begin = begin(&response, size).filter(|begin| begin <= offset);
        let begin =
            begin.ok_or_else(|| self.not_a_registry("it answers another range than was asked for"))?;
        let mut known = *offset - begin;
        let mut body = Body::new(&self.host, response, self.connection.pace);
        while let Some(mut piece) = body.piece().await? {
            let skip = usize::try_from(known).unwrap_or(usize::MAX).min(piece.len());
            known -= skip as u64;
            let piece = piece.split_off(skip);
            let after = offset.saturating_add(piece.len() as u64);
            if after > size {
                return Ok(Part::TooLong);
            }
            *offset = after;
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

/// Where the answer's bytes begin: at 0 if the registry knows no ranges and begins anew, else by `Content-Range` (RFC 9110, section
/// 14.4). `None` if that cannot be true of a blob of `size` bytes.
fn begin(response: &Response, size: u64) -> Option<u64> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Some(0);
    }
    content_range(response.headers().get(CONTENT_RANGE)?.to_str().ok()?, size)
}

fn content_range(range: &str, size: u64) -> Option<u64> {
    let (unit, range) = range.trim().split_once(' ')?;
    let (range, total) = range.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    let is_total = total == "*" || total.parse() == Ok(size);
    (unit.eq_ignore_ascii_case("bytes") && first <= last && last < size && is_total).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn a_range_says_where_it_begins_and_of_what() {
        for (range, begin) in [
            ("bytes 5-9/10", Some(5)),
            ("Bytes 0-0/*", Some(0)),
            ("bytes 0-9/10", Some(0)),
            ("bytes 5-8/10", Some(5)),
            ("bytes 5-10/10", None),
            ("bytes 9-5/10", None),
            ("bytes 5-9/11", None),
            ("bytes */10", None),
            ("bytes=5-9/10", None),
            ("items 5-9/10", None),
            ("bytes -5-9/10", None),
            ("bytes 5-99999999999999999999999/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(range, 10), begin, "{range}");
        }
    }
}
