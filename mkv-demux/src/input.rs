//! The bytes that were fed and not yet used: a queue of `Bytes` that reads like one stretch.
//!
//! It must never know what the bytes mean. It cuts frames out of the fed buffers without copying, and
//! copies only where a wanted stretch crosses from one buffer into the next.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// Pushes below this size that find earlier bytes still waiting are gathered, so that a frame that comes
/// byte by byte does not cost a queue entry and an allocation per byte.
const GATHER_BELOW_BYTES: usize = 256;
/// Size of the buffer in which they are gathered.
const GATHER_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The first buffer; empty only when all is empty.
    front: Bytes,
    queue: VecDeque<Bytes>,
    /// Small pushes gathered behind everything in `queue`.
    tail: BytesMut,
    len: usize,
    pos: u64,
}

impl Input {
    /// Bytes waiting.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Absolute offset of the first byte waiting.
    pub(crate) fn pos(&self) -> u64 {
        self.pos
    }

    /// Absolute offset behind the last byte waiting.
    pub(crate) fn end(&self) -> u64 {
        self.pos.saturating_add(self.len as u64)
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        let len = data.len();
        if self.len == 0 {
            self.front = data;
        } else if len < GATHER_BELOW_BYTES {
            if self.tail.capacity() - self.tail.len() < len {
                self.flush_tail();
                self.tail.reserve(GATHER_BYTES);
            }
            self.tail.extend_from_slice(&data);
        } else {
            self.flush_tail();
            self.queue.push_back(data);
        }
        self.len += len;
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
    }

    /// The first buffer: a contiguous stretch, non-empty unless nothing waits.
    pub(crate) fn front(&self) -> &[u8] {
        &self.front
    }

    /// The first bytes waiting, at most `N`, contiguous.
    pub(crate) fn peek<'a, const N: usize>(&'a self, scratch: &'a mut [u8; N]) -> &'a [u8] {
        if self.front.len() >= N {
            return &self.front[..N];
        }
        if self.front.len() == self.len {
            return &self.front;
        }
        let mut filled = 0;
        for part in self.parts() {
            let n = part.len().min(N - filled);
            scratch[filled..filled + n].copy_from_slice(&part[..n]);
            filled += n;
            if filled == N {
                break;
            }
        }
        &scratch[..filled]
    }

    /// The first `max` bytes waiting, or all where fewer wait, gathered in `scratch` where necessary.
    pub(crate) fn peek_many<'a>(&'a self, max: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let n = max.min(self.len);
        if let Some(stretch) = self.front.get(..n) {
            return stretch;
        }
        scratch.clear();
        for part in self.parts() {
            scratch.extend_from_slice(&part[..part.len().min(n - scratch.len())]);
            if scratch.len() == n {
                break;
            }
        }
        scratch
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.front[..]).chain(self.queue.iter().map(|b| &b[..])).chain([&self.tail[..]])
    }

    /// The bytes waiting, one by one.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.parts().flat_map(|part| part.iter().copied())
    }

    /// Drops the first `n` bytes, or all where fewer wait.
    pub(crate) fn skip(&mut self, n: usize) {
        let mut left = n.min(self.len);
        self.len -= left;
        self.pos = self.pos.saturating_add(left as u64);
        while left >= self.front.len() && left > 0 {
            left -= self.front.len();
            self.refill();
        }
        self.front.advance(left);
        if self.front.is_empty() {
            self.refill();
        }
    }

    /// Cuts off the first `n` bytes; the caller has seen that so many wait. Without copying where they lie
    /// in one buffer.
    pub(crate) fn take(&mut self, n: usize) -> Bytes {
        let n = n.min(self.len);
        if n < self.front.len() {
            self.len -= n;
            self.pos = self.pos.saturating_add(n as u64);
            return self.front.split_to(n);
        }
        if n == self.front.len() {
            let whole = self.front.clone();
            self.skip(n);
            return whole;
        }
        let mut copy = BytesMut::with_capacity(n);
        for part in self.parts() {
            copy.extend_from_slice(&part[..part.len().min(n - copy.len())]);
            if copy.len() == n {
                break;
            }
        }
        self.skip(n);
        copy.freeze()
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.skip(self.len);
        self.tail = BytesMut::new();
        self.queue = VecDeque::new();
    }

    fn refill(&mut self) {
        self.front = match self.queue.pop_front() {
            Some(next) => next,
            None if self.tail.is_empty() => Bytes::new(),
            None => self.tail.split().freeze(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(parts: &[usize]) -> (Input, Vec<u8>) {
        let total: usize = parts.iter().sum();
        let data: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
        let mut input = Input::default();
        let mut at = 0;
        for n in parts {
            input.push(Bytes::copy_from_slice(&data[at..at + n]));
            at += n;
        }
        (input, data)
    }

    #[test]
    fn reads_across_all_kinds_of_buffers() {
        let (mut input, data) = filled(&[1, 2, 300, 5, 255, 400, 1, 1]);
        assert_eq!(input.len(), data.len());
        assert_eq!(input.bytes().collect::<Vec<_>>(), data);
        assert_eq!(input.peek(&mut [0; 16]), &data[..16]);
        assert_eq!(input.peek_many(700, &mut Vec::new()), &data[..700]);
        assert_eq!(input.take(310), &data[..310]);
        input.skip(500);
        assert_eq!((input.pos(), input.end()), (810, data.len() as u64));
        let rest = input.len();
        assert_eq!(input.take(rest), &data[810..]);
        assert_eq!(input.len(), 0);
    }

    #[test]
    fn small_pushes_are_gathered() {
        let (input, _) = filled(&vec![1; 100_000]);
        assert!(input.queue.len() <= 100_000 / GATHER_BYTES + 1);
    }

    #[test]
    fn takes_without_copying_inside_one_buffer() {
        let data = Bytes::from(vec![7; 1000]);
        let mut input = Input::default();
        input.push(data.clone());
        input.skip(10);
        assert_eq!(input.take(100).as_ptr(), data[10..].as_ptr());
    }
}
