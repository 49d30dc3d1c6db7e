//! The one capped reader: compressed bytes in; digests, counts and bounds on the way; the tar's bytes out.

use std::io::{self, BufRead, Read};

use breakwater_core::Digest;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::LayerError;
use crate::limits::{MAX_LAYER_INFLATED, MAX_RATIO, MAX_ZSTD_WINDOW_LOG, RATIO_GRACE};

const BUFFER: usize = 128 << 10;

/// Hashes and counts what is consumed.
struct Counted<R> {
    from: R,
    hash: Sha256,
    count: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(to)?;
        self.consume(got);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // The bytes are those of the last `fill_buf`, which answers the same again until they are consumed.
        if let Ok(bytes) = self.from.fill_buf() {
            self.hash.update(bytes.get(..amount).unwrap_or_default());
        }
        self.count = self.count.saturating_add(amount as u64);
        self.from.consume(amount);
    }
}

enum Decoder<R: BufRead> {
    Plain(Counted<R>),
    Gzip(Box<MultiGzDecoder<Counted<R>>>),
    #[allow(clippy::disallowed_types, reason = "this is the capped reader that the lint asks for")]
    Zstd(zstd::stream::read::Decoder<'static, Counted<R>>),
}

impl<R: BufRead> Decoder<R> {
    fn compressed(&self) -> &Counted<R> {
        match self {
            Self::Plain(from) => from,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn into_compressed(self) -> Counted<R> {
        match self {
            Self::Plain(from) => from,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}

/// A layer's tar. The compression is told by its first bytes, as container runtimes do it, whatever the media type says.
pub struct Inflated<R: BufRead> {
    from: Decoder<R>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    hash: Sha256,
    count: u64,
    cap: Option<String>,
}

/// What a layer's bytes turned out to be.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) digest: Digest,
    /// Absent for what was cut by a bound.
    pub(super) diff_id: Option<Digest>,
}

impl<R: BufRead> Inflated<R> {
    /// # Errors
    /// [`LayerError::Corrupt`] if a decoder cannot be set up; whatever the source reports.
    pub fn new(mut from: R) -> Result<Self, LayerError> {
        let magic = from.fill_buf()?;
        let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
        // A zstd frame, or a skippable frame as zstd:chunked puts in front (RFC 8878).
        let is_zstd = magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
            || (magic.get(1..4) == Some(&[0x2a, 0x4d, 0x18]) && magic.first().is_some_and(|b| b >> 4 == 5));
        let counted = Counted { from, hash: Sha256::new(), count: 0 };
        let from = if is_gzip {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(counted)))
        } else if is_zstd {
            #[allow(clippy::disallowed_types, reason = "this is the capped reader that the lint asks for")]
            let mut decoder = zstd::stream::read::Decoder::with_buffer(counted)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Decoder::Zstd(decoder)
        } else {
            Decoder::Plain(counted)
        };
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { from, buffer, start: 0, end: 0, hash: Sha256::new(), count: 0, cap: None })
    }

    /// The bound that was hit, if one was: from there on the tar seems to end.
    pub fn cap(&self) -> Option<&str> {
        self.cap.as_deref()
    }

    /// Reads to the end of the compressed bytes and tells the digests of both sides.
    pub(super) fn finish(mut self) -> Result<Totals, LayerError> {
        loop {
            let rest = self.fill_buf()?.len();
            if rest == 0 {
                break;
            }
            self.consume(rest);
        }
        let is_plain = matches!(self.from, Decoder::Plain(_));
        let is_whole = self.cap.is_none();
        let inflated = Digest::from_sha256(std::mem::take(&mut self.hash).finalize().into());
        let digest = self.digest()?;
        let diff_id = is_whole.then(|| if is_plain { digest.clone() } else { inflated });
        Ok(Totals { digest, diff_id })
    }

    /// Reads the compressed bytes to their end without inflating them and tells their digest.
    pub(super) fn digest(self) -> Result<Digest, LayerError> {
        let mut compressed = self.from.into_compressed();
        loop {
            let rest = compressed.fill_buf()?.len();
            if rest == 0 {
                return Ok(Digest::from_sha256(compressed.hash.finalize().into()));
            }
            compressed.consume(rest);
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        (self.start, self.end) = (0, 0);
        if self.cap.is_some() {
            return Ok(());
        }
        let (got, is_plain) = match &mut self.from {
            Decoder::Plain(from) => (from.read(&mut self.buffer)?, true),
            Decoder::Gzip(decoder) => (decoder.read(&mut self.buffer)?, false),
            Decoder::Zstd(decoder) => (decoder.read(&mut self.buffer)?, false),
        };
        self.end = got;
        self.count = self.count.saturating_add(got as u64);
        if !is_plain {
            self.hash.update(self.buffer.get(..got).unwrap_or_default());
        }
        let ratio_bound = self.from.compressed().count.saturating_mul(MAX_RATIO).max(RATIO_GRACE);
        if self.count > MAX_LAYER_INFLATED {
            self.cap = Some(format!("the layer inflates to more than {} GiB", MAX_LAYER_INFLATED >> 30));
        } else if self.count > ratio_bound {
            self.cap = Some(format!("the layer inflates to more than {MAX_RATIO} times its size"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(to)?;
        self.consume(got);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Inflated<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.refill()?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.end);
    }
}

impl<R: BufRead> std::fmt::Debug for Inflated<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflated").field("count", &self.count).field("cap", &self.cap).finish_non_exhaustive()
    }
}
