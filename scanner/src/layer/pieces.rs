//! The seam between the network, which waits, and the analysis, which computes: pieces of a layer handed over in order.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use crate::limits::WAITING_PIECES;

enum Piece {
    Bytes(Bytes),
    End,
}

/// The network's side.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Piece>);

/// The analysis's side; blocks while it waits. It ends well only after [`Feed::end`]: a feed that is dropped broke off.
pub struct Pieces {
    from: mpsc::Receiver<Piece>,
    current: Bytes,
    has_ended: bool,
}

#[must_use]
pub fn pieces() -> (Feed, Pieces) {
    let (to, from) = mpsc::channel(WAITING_PIECES);
    (Feed(to), Pieces { from, current: Bytes::new(), has_ended: false })
}

impl Feed {
    /// Hands a piece over; `false` if nobody reads any more.
    pub async fn piece(&self, bytes: Bytes) -> bool {
        self.0.send(Piece::Bytes(bytes)).await.is_ok()
    }

    /// Says that all pieces were handed over.
    pub async fn end(&self) {
        // A reader that hung up does not care.
        let _ = self.0.send(Piece::End).await;
    }
}

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(to)?;
        self.consume(got);
        Ok(got)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.has_ended {
            match self.from.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.has_ended = true,
                None => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "no more pieces come")),
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount.min(self.current.len()));
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("has_ended", &self.has_ended).finish_non_exhaustive()
    }
}
