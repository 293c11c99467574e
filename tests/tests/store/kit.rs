//! A store, many who use it, and a clock in the test's hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::shell::store::{Acquisition, Claim, Cursor, Entry, Held, Store, StoreClock};
use engine::time::{Span, Time};

/// How long finished calls are kept.
pub(crate) const KEEP: Span = Span::from_s(24 * 3600);
/// Life of a lease without renewal.
pub(crate) const TTL: Span = Span::from_s(10);
/// What calls are begun with.
pub(crate) const START: &[u8] = b"{\"voiceCallId\":\"one\"}";

type Open = Box<dyn Fn(StoreClock) -> Arc<dyn Store> + Send + Sync>;

pub(crate) struct Kit {
    open: Open,
    now: Arc<AtomicI64>,
    _folder: Option<tempfile::TempDir>,
}

impl Kit {
    pub(crate) fn new(
        open: impl Fn(StoreClock) -> Arc<dyn Store> + Send + Sync + 'static,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        // Somewhere in 2019.
        let now = Arc::new(AtomicI64::new(1_571_360_000_000_000));
        Self { open: Box::new(open), now, _folder: folder }
    }

    /// The store as another process opens it.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        let now = Arc::clone(&self.now);
        (self.open)(Arc::new(move || Time::from_us(now.load(Ordering::SeqCst))))
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_us(self.now.load(Ordering::SeqCst))
    }

    /// Time passes.
    pub(crate) fn pass(&self, span: Span) -> Time {
        self.now.fetch_add(span.us(), Ordering::SeqCst);
        self.now()
    }
}

/// Asks for a call, and begins it where that was not done.
pub(crate) async fn ask(store: &Arc<dyn Store>, contact: &str, owner: &str) -> Acquisition {
    store.acquire(contact, Claim::begin(owner, TTL, START)).await.unwrap()
}

/// The same where nobody holds it.
pub(crate) async fn take(store: &Arc<dyn Store>, contact: &str, owner: &str) -> Held {
    match ask(store, contact, owner).await {
        Acquisition::Acquired(held) => *held,
        other => panic!("{owner} gets {other:?}"),
    }
}

/// Asks for a call without beginning one.
pub(crate) async fn take_over(store: &Arc<dyn Store>, contact: &str) -> Acquisition {
    store.acquire(contact, Claim::take_over("scan", TTL)).await.unwrap()
}

pub(crate) fn event(id: &str, at: Time) -> Entry {
    Entry { id: id.to_owned(), at, body: format!("body of {id}").into_bytes() }
}

/// Ids of all events of a contact.
pub(crate) async fn ids(store: &Arc<dyn Store>, contact: &str) -> Vec<String> {
    let (entries, _) = store.events(contact, Cursor::default()).await.unwrap();
    for entry in &entries {
        assert_eq!(entry.body, format!("body of {}", entry.id).into_bytes());
    }
    entries.into_iter().map(|entry| entry.id).collect()
}
