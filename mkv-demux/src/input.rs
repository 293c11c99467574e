//! The bytes that were fed and not yet used: a queue of `Bytes` that reads like one stretch.
//!
//! It must never know what the bytes mean. It cuts frames out of the fed buffers without copying, and
//! copies only where a wanted stretch crosses from one buffer into the next. What is used up stays in the
//! first buffer until that is left behind, so that others can point into it: whoever does must take care
//! of that before [`skip`](Input::skip), [`take`](Input::take) and [`push`](Input::push)
//! [leave](Input::leaves) it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pushes below this size that find earlier bytes still waiting are gathered, so that a frame that comes
/// byte by byte does not cost a queue entry and an allocation per byte.
const GATHER_BELOW_BYTES: usize = 256;
/// Size of the buffer in which they are gathered.
const GATHER_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The first buffer.
    front: Bytes,
    /// Bytes of it that are used up.
    at: usize,
    /// Absolute offset of its first byte.
    base: u64,
    queue: VecDeque<Bytes>,
    /// Small pushes gathered behind everything in `queue`.
    tail: BytesMut,
    /// Bytes in `queue` and `tail`.
    behind: usize,
}

impl Input {
    /// Bytes waiting.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.front.len() - self.at + self.behind
    }

    /// Absolute offset of the first byte waiting.
    #[inline]
    pub(crate) fn pos(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Absolute offset behind the last byte waiting.
    pub(crate) fn end(&self) -> u64 {
        self.pos().saturating_add(self.len() as u64)
    }

    /// The first buffer, used bytes included.
    #[inline]
    pub(crate) fn front(&self) -> &Bytes {
        &self.front
    }

    /// Bytes of the first buffer that are used up.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Absolute offset of the first byte of the first buffer.
    #[inline]
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The waiting bytes of the first buffer; after [`settle`](Self::settle) empty only when nothing waits.
    #[inline]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.front[self.at..]
    }

    /// Whether using up `n` bytes leaves the first buffer behind.
    #[inline]
    pub(crate) fn leaves(&self, n: usize) -> bool {
        n >= self.front.len() - self.at
    }

    /// Uses up `n` bytes of the first buffer, which has that many.
    #[inline]
    pub(crate) fn use_up(&mut self, n: usize) {
        self.at += n;
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        let len = data.len();
        if self.len() == 0 {
            self.replace_front(data);
            return;
        }
        if len < GATHER_BELOW_BYTES {
            if self.tail.capacity() - self.tail.len() < len {
                self.flush_tail();
                self.tail.reserve(GATHER_BYTES);
            }
            self.tail.extend_from_slice(&data);
        } else {
            self.flush_tail();
            self.queue.push_back(data);
        }
        self.behind += len;
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
    }

    /// The first bytes waiting, at most `N`, contiguous.
    #[inline]
    pub(crate) fn peek<'a, const N: usize>(&'a self, scratch: &'a mut [u8; N]) -> &'a [u8] {
        match self.rest().first_chunk::<N>() {
            Some(chunk) => chunk,
            None => self.peek_across(scratch),
        }
    }

    fn peek_across<'a, const N: usize>(&'a self, scratch: &'a mut [u8; N]) -> &'a [u8] {
        if self.behind == 0 {
            return self.rest();
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
        let n = max.min(self.len());
        if let Some(stretch) = self.rest().get(..n) {
            return stretch;
        }
        scratch.clear();
        self.first(n, |part| scratch.extend_from_slice(part));
        scratch
    }

    /// Shows the first `n` bytes waiting, part by part.
    pub(crate) fn first(&self, n: usize, mut show: impl FnMut(&[u8])) {
        let mut left = n;
        for part in self.parts() {
            let part = &part[..part.len().min(left)];
            show(part);
            left -= part.len();
            if left == 0 {
                break;
            }
        }
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.rest()).chain(self.queue.iter().map(|b| &b[..])).chain([&self.tail[..]])
    }

    /// The bytes waiting, one by one.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.parts().flat_map(|part| part.iter().copied())
    }

    /// Drops the first `n` bytes, or all where fewer wait.
    #[inline]
    pub(crate) fn skip(&mut self, n: usize) {
        if self.leaves(n) {
            self.skip_far(n);
        } else {
            self.use_up(n);
        }
    }

    fn skip_far(&mut self, n: usize) {
        let mut left = n.min(self.len());
        while left > self.rest().len() {
            left -= self.rest().len();
            self.refill();
        }
        self.use_up(left);
        self.settle();
    }

    /// Cuts off the first `n` bytes; the caller has seen that so many wait. Without copying where they lie
    /// in one buffer.
    pub(crate) fn take(&mut self, n: usize) -> Bytes {
        let n = n.min(self.len());
        if n <= self.rest().len() {
            let slice = self.front.slice(self.at..self.at + n);
            self.skip(n);
            return slice;
        }
        let mut copy = Vec::with_capacity(n);
        self.first(n, |part| copy.extend_from_slice(part));
        self.skip_far(n);
        copy.into()
    }

    /// Leaves the first buffer behind where it is used up.
    #[inline]
    pub(crate) fn settle(&mut self) {
        while self.at == self.front.len() && self.behind > 0 {
            self.refill();
        }
    }

    /// Lets go of the first buffer where nothing waits.
    pub(crate) fn release(&mut self) {
        if self.len() == 0 && !self.front.is_empty() {
            self.replace_front(Bytes::new());
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.skip_far(self.len());
        self.release();
        self.tail = BytesMut::new();
        self.queue = VecDeque::new();
    }

    fn refill(&mut self) {
        let next = match self.queue.pop_front() {
            Some(next) => next,
            None if self.tail.is_empty() => Bytes::new(),
            None => self.tail.split().freeze(),
        };
        self.behind -= next.len();
        self.replace_front(next);
    }

    fn replace_front(&mut self, next: Bytes) {
        self.base += self.front.len() as u64;
        self.at = 0;
        self.front = next;
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
