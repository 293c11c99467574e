//! Who gets a call, and what he is told of it.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Mutex;

use super::*;
use crate::call::{Call, Config, ContactChoice, EventKind, GateSource, Input, Output, TelephonyEvent};
use crate::shell::payload::Payload;
use crate::shell::store::{Cursor, Directory, Lease, Memory, Pending};

const CALL: &str = "11111111-2222-4333-8444-555555555555";
/// The first contact of its chain.
const KEY: &str = "99999999-2222-4333-8444-555555555555";

fn custody(store: &Arc<dyn Store>) -> Custody {
    let options = StoreOptions { event_poll_ms: 50, ..StoreOptions::default() };
    Custody::new(Arc::clone(store), options, true)
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new(Span::from_s(3600), Arc::new(clock::now)))
}

/// A trigger for the call, its audio in this stream from `start` on.
fn payload(stream: &str, start: Time) -> Payload {
    let text = format!(
        r#"{{"streamARN":"arn:aws:kinesisvideo:eu-west-2:1:stream/{stream}/1","startFragmentNum":"91",
            "voiceCallId":"{CALL}","audioStartTimestamp":"{}","vendorCallKey":"{KEY}"}}"#,
        start.ms()
    );
    Payload::parse(text.as_bytes()).unwrap()
}

fn ours(taken: Taken) -> Life {
    match taken {
        Taken::Ours(life) => *life,
        other => panic!("it is free, not {other:?}"),
    }
}

/// Stores a letter to this contact, stamped with this time.
async fn send(store: &Arc<dyn Store>, contact: &str, at: Time, matter: Matter) -> String {
    let (letter, entry) = Letter::new(at, matter);
    store.add_event(contact, &entry).await.unwrap();
    letter.id
}

fn hold() -> Matter {
    Matter::Gate(GateSource::Toolkit, TelephonyEvent::new(EventKind::Hold, None))
}

fn ids(letters: &[Letter]) -> BTreeSet<String> {
    letters.iter().map(|letter| letter.id.clone()).collect()
}

#[tokio::test]
async fn a_call_that_failed_is_taken_by_nobody_until_it_is_started_again_however_often_it_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(Mutex::new(clock::now()));
    let time = {
        let now = Arc::clone(&now);
        Arc::new(move || *now.lock().unwrap())
    };
    let pass = |span: Span| {
        let mut now = now.lock().unwrap();
        *now = *now + span;
        *now
    };
    let store: Arc<dyn Store> = Arc::new(Directory::new(folder.path(), Span::from_s(3600), time));
    let custody = custody(&store);
    let start = payload("one", clock::now());
    let life = ours(custody.begin(&start, false).await.unwrap());
    custody.failed(CALL).await;
    custody.let_go(life).await;
    for _ in 0..4 {
        pass(Span::from_s(30));
        assert!(matches!(custody.take_over(CALL).await.unwrap(), Taken::Failed));
    }
    // Somebody starts it again. That life dies, and the next goes on.
    let life = ours(custody.begin(&start, false).await.unwrap());
    assert_eq!(life.starts().len(), 1, "it is the same stream");
    drop(life);
    let life = ours(custody.take_over(CALL).await.unwrap());
    custody.failed(CALL).await;
    custody.let_go(life).await;
    // Who looks at it is no sign of life: it is forgotten like any other.
    for day in 0..7 {
        assert_eq!(store.sweep(pass(Span::from_s(24 * 3600 - 60))).await.unwrap(), 0, "day {day}");
        assert!(matches!(custody.take_over(CALL).await.unwrap(), Taken::Failed), "day {day}");
    }
    assert_eq!(store.sweep(pass(Span::from_s(3600))).await.unwrap(), 1);
}

#[tokio::test]
async fn events_sent_to_the_key_reach_a_later_leg_but_not_those_of_the_leg_before() {
    let store = memory();
    let custody = custody(&store);
    let begun = clock::now();
    let _before = send(&store, KEY, begun - Span::from_s(30), hold()).await;
    let early = send(&store, KEY, begun + Span::from_ms(10), hold()).await;
    let _other_call = send(&store, KEY, begun + Span::from_ms(20), Matter::Failed).await;
    let life = ours(custody.begin(&payload("one", begun), false).await.unwrap());
    assert_eq!(ids(&life.past), BTreeSet::from([early]));
    // While it runs; and where the key is found out only then.
    let (_keeper, mut inbox) = life.keep(&custody, true);
    let later = send(&store, KEY, begun + Span::from_ms(30), hold()).await;
    assert_eq!(ids(&inbox.next().await), BTreeSet::from([later]));
    let found_out = send(&store, "another", begun + Span::from_ms(40), hold()).await;
    inbox.look_for(&[], "another");
    assert_eq!(ids(&inbox.next().await), BTreeSet::from([found_out]));
}

#[tokio::test]
async fn a_stream_that_a_worker_with_a_slow_clock_was_told_of_is_not_lost() {
    let store = memory();
    let custody = custody(&store);
    let begun = clock::now();
    let life = ours(custody.begin(&payload("one", begun), false).await.unwrap());
    let further = Matter::Segment(Box::new(payload("two", begun)));
    send(&store, CALL, begun - Span::from_s(2), further).await;
    custody.let_go(life).await;
    let life = ours(custody.take_over(CALL).await.unwrap());
    assert_eq!(life.starts().len(), 2);
}

/// A store in which no checkpoint has room.
#[derive(Debug)]
struct TooSmall(Memory);

impl Store for TooSmall {
    fn acquire<'a>(&'a self, contact: &'a str, claim: Claim<'a>) -> Pending<'a, Acquisition> {
        self.0.acquire(contact, claim)
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.0.renew(lease)
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.0.release(lease)
    }

    fn finish<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.0.finish(lease)
    }

    fn save<'a>(&'a self, lease: &'a Lease, _: u64, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        let (contact, kind, bytes) = (lease.contact().to_owned(), "checkpoint", checkpoint.len());
        Box::pin(ready(Err(StoreError::TooLarge { contact, kind, bytes, limit: 1 })))
    }

    fn add_event<'a>(&'a self, contact: &'a str, entry: &'a Entry) -> Pending<'a, ()> {
        self.0.add_event(contact, entry)
    }

    fn events<'a>(&'a self, contact: &'a str, after: Cursor) -> Pending<'a, (Vec<Entry>, Cursor)> {
        self.0.events(contact, after)
    }

    fn unfinished(&self, limit: usize) -> Pending<'_, Vec<String>> {
        self.0.unfinished(limit)
    }

    fn sweep(&self, now: Time) -> Pending<'_, u64> {
        self.0.sweep(now)
    }

    fn probe(&self) -> Pending<'_, String> {
        self.0.probe()
    }
}

/// A checkpoint of a call that has just begun.
fn checkpoint() -> Checkpoint {
    let mut config = Config::new(ContactChoice::Id(CALL.to_owned()), CALL);
    config.store = true;
    let now = clock::now();
    let mut call = Call::resume(config, 1, None, Absence { died: now, listening: now });
    call.handle(now, Input::Tick);
    loop {
        match call.poll() {
            Output::Store(checkpoint) => return *checkpoint,
            Output::Wait(_) | Output::Done(_) => panic!("it stores nothing"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_can_never_be_stored_does_not_keep_messages_back_for_ever() {
    let store: Arc<dyn Store> = Arc::new(TooSmall(Memory::new(Span::from_s(3600), Arc::new(clock::now))));
    let custody = custody(&store);
    let begin = async || {
        let life = ours(custody.begin(&payload("one", clock::now()), true).await.unwrap());
        let lease = life.lease.clone();
        (life, lease)
    };
    let (life, lease) = begin().await;
    let (mut keeper, _inbox) = life.keep(&custody, true);
    let checkpoint = checkpoint();
    keeper.save(checkpoint.clone());
    let told = tokio::time::timeout(Duration::from_secs(60), keeper.next()).await;
    assert_eq!(told, Ok(Kept::Stored(checkpoint.sequence)), "the call goes on");
    drop(keeper);
    store.finish(&lease).await.unwrap();
    // Where nothing may be posted twice, they wait.
    let (life, _) = begin().await;
    let (mut keeper, _inbox) = life.keep(&custody, false);
    keeper.save(checkpoint);
    assert!(tokio::time::timeout(Duration::from_millis(500), keeper.next()).await.is_err());
}
