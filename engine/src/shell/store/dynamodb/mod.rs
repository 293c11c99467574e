//! A store in a table of DynamoDB: for workers on many machines.
//!
//! Partition key `pk` (the contact), sort key `sk`, and one sparse index `queue` for the scans:
//!
//! | `sk` | what it is | attributes |
//! |---|---|---|
//! | `call` | lease and end of the call | `token`, `owner`, `until`, `sign`, `gen`, `begun`, `reopened`, `last`, `queue`, `due` |
//! | `start` | what it was begun with | `body`, `gen` |
//! | `checkpoint` | the last one, packed | `body`, `seq`, `saved`, `gen` |
//! | `event#<time>#<id>` | an event | `body`, `at`, `id`, `queue`, `due` |
//!
//! Times are microseconds. Whoever takes the lease counts `gen` up, in `call` and then in `checkpoint`: a
//! checkpoint is stored only under the number of its lease, so that it needs no transaction. The lease is an item
//! of its own because it is written every few seconds, and a write costs by the size of its item.
//!
//! Whoever begins a call writes `start` before he takes the lease, so that no call is without one, under the `gen`
//! he is about to take. Of several who begin it at once the first writes, and the start of the one who takes it is
//! never overwritten: who loses tells the holder of his stream by a letter. A `start` with a higher `gen` than the
//! call's is of somebody who died in between.
//!
//! The index has the partition key `queue` (`call`: unfinished, `finished`, `event`: not yet known to be needed),
//! the sort key `due` (since when) and the attribute `until`, so that a scan for calls that nobody holds reads keys
//! alone. The index may be a moment behind; leases are always read from the table, consistently. `expires` is the
//! table's time to live: it only deletes what no worker lives to sweep.

mod item;
mod scan;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::shell::aws::{Aws, DynamoDbOperation};
use crate::shell::store::{
    ABANDONED, Acquisition, Before, Claim, Cursor, Entry, Held, Lease, Pending, Store, StoreClock,
    StoreError, check_contact, pack,
};
use crate::time::{Span, Time};

use item::{Item, b, key, n, names_in, s, sortable, t};

/// Largest body of an item, bytes: an item has 400 KB, names and other attributes included.
const MAX_BODY: usize = 390 * 1024;
/// Tries to take a call whose state changes between reading and writing.
const MAX_TAKES: usize = 5;
/// Events are read again for so long: those that arrive late, or from a worker whose clock is behind, are found.
pub const LOOK_BACK: Span = Span::from_s(300);

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct DynamoDb {
    aws: Arc<Aws>,
    table: String,
    keep: Span,
    clock: StoreClock,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb").field("table", &self.table).finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// A store in this table. Finished calls are kept for `keep`.
    #[must_use]
    pub fn new(aws: Arc<Aws>, table: impl Into<String>, keep: Span, clock: StoreClock) -> Self {
        Self { aws, table: table.into(), keep, clock }
    }

    fn now(&self) -> Time {
        (self.clock)()
    }

    /// When what is written now is deleted by the table itself, epoch seconds.
    fn expires(&self, now: Time) -> Value {
        n((now + ABANDONED + self.keep).us() / 1_000_000)
    }

    async fn ask(&self, operation: DynamoDbOperation, mut body: Value) -> Result<Value, StoreError> {
        body["TableName"] = json!(self.table);
        Ok(self.aws.dynamodb(operation, &body).await?)
    }

    async fn get(&self, contact: &str, sk: &str) -> Result<Option<Item>, StoreError> {
        let body = json!({ "Key": key(contact, sk), "ConsistentRead": true });
        let answer = self.ask(DynamoDbOperation::GetItem, body).await?;
        Ok(Item::of(&answer, "Item"))
    }

    /// Changes an item; what it is then, or `None` where the condition is not met.
    async fn update(
        &self,
        contact: &str,
        sk: &str,
        update: &str,
        condition: &str,
        values: Value,
    ) -> Result<Option<Item>, StoreError> {
        // Only names that a query language reserves need another name; it is simpler to rename them all.
        let names = names_in(update, condition);
        let body = json!({
            "Key": key(contact, sk),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
        });
        match self.ask(DynamoDbOperation::UpdateItem, body).await {
            Ok(answer) => Ok(Some(Item::of(&answer, "Attributes").unwrap_or_default())),
            Err(StoreError::Aws(error)) if error.is_condition_failed() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, mut item: Value, contact: &str, sk: &str) -> Result<(), StoreError> {
        item["pk"] = s(contact);
        item["sk"] = s(sk);
        self.ask(DynamoDbOperation::PutItem, json!({ "Item": item })).await.map(|_| ())
    }

    /// Takes the call if it is free as it was read; when it was begun. `None`: it has changed since.
    async fn take(
        &self,
        lease: &Lease,
        claim: &Claim<'_>,
        known: Option<&Item>,
    ) -> Result<Option<Begun>, StoreError> {
        let now = self.now();
        let update = "SET #token = :token, #owner = :owner, #until = :until, #sign = :now, #gen = :gen, \
                      #queue = :call, #begun = :begun, #reopened = :reopened, #due = :begun, #expires = :expires";
        let finished = known.is_some_and(is_finished);
        let before = known.filter(|_| !finished);
        let begun = Begun {
            at: before.and_then(|known| known.time("begun")).unwrap_or(now),
            reopened: finished || before.and_then(|known| known.number("reopened")) == Some(1),
        };
        let mut values = json!({
            ":token": s(&lease.token),
            ":owner": s(&crate::shell::http::one_line(claim.owner, 100)),
            ":until": t(now + lease.ttl),
            ":now": t(now),
            ":gen": n(lease.generation),
            ":call": s("call"),
            ":begun": t(begun.at),
            ":reopened": n(i64::from(begun.reopened)),
            ":expires": self.expires(now),
        });
        let condition = match known {
            None => "attribute_not_exists(#pk)",
            Some(known) => {
                values[":was"] = n(known.number("gen").unwrap_or_default());
                values[":then"] = n(known.number("until").unwrap_or_default());
                if finished {
                    // What is finished becomes unfinished: both values are used.
                    values[":finished"] = s("finished");
                    "#gen = :was AND #until = :then AND #queue = :finished"
                } else {
                    "#gen = :was AND #until = :then AND #queue = :call"
                }
            }
        };
        if self.update(&lease.contact, "call", update, condition, values).await?.is_some() {
            return Ok(Some(begun));
        }
        // Perhaps it was our own first try, whose answer was lost.
        let found = self.get(&lease.contact, "call").await?;
        let ours = found.is_some_and(|call| call.text("token") == Some(&lease.token));
        Ok(ours.then_some(begun))
    }

    async fn claim(&self, contact: &str, claim: Claim<'_>) -> Result<Acquisition, StoreError> {
        check_contact(contact)?;
        for _ in 0..MAX_TAKES {
            let known = self.get(contact, "call").await?;
            let now = self.now();
            let generation = match (&known, claim.start) {
                (None, None) => return Ok(Acquisition::Unknown),
                (None, Some(start)) => {
                    self.put_start(contact, start, 1).await?;
                    1
                }
                (Some(call), start) if is_finished(call) => {
                    let Some(start) = start.filter(|_| claim.reopen) else {
                        return Ok(Acquisition::Finished {
                            start: self.start_of_finished(contact, call).await?,
                        });
                    };
                    let generation = generation_of(call) + 1;
                    self.put_start(contact, start, generation).await?;
                    generation
                }
                (Some(call), _) => {
                    let until = call.time("until").unwrap_or(Time::MIN);
                    if now < until {
                        let owner = call.text("owner").unwrap_or_default().to_owned();
                        return Ok(Acquisition::HeldBy { owner, until });
                    }
                    generation_of(call) + 1
                }
            };
            let lease = Lease::new(contact, generation, claim.ttl);
            if let Some(begun) = self.take(&lease, &claim, known.as_ref()).await? {
                return self.taken(lease, known, begun).await;
            }
        }
        // Somebody takes it again and again: he holds it.
        Ok(Acquisition::HeldBy { owner: "several workers at once".to_owned(), until: self.now() + claim.ttl })
    }

    /// Shuts out whoever held the call before, and reads what he left.
    async fn taken(
        &self,
        lease: Lease,
        known: Option<Item>,
        begun: Begun,
    ) -> Result<Acquisition, StoreError> {
        let contact = &lease.contact;
        let before = known.filter(|call| !is_finished(call));
        let values = json!({ ":gen": n(lease.generation), ":expires": self.expires(self.now()) });
        let condition = "attribute_not_exists(#gen) OR #gen <= :gen";
        let update = match before {
            Some(_) => "SET #gen = :gen, #expires = :expires",
            None => "SET #gen = :gen, #expires = :expires REMOVE #body, #seq, #saved",
        };
        let shut = self.update(contact, "checkpoint", update, condition, values);
        let Some(checkpoint) = shut.await? else {
            // Another has taken the call since.
            return Ok(Acquisition::HeldBy { owner: "another worker".to_owned(), until: self.now() });
        };
        let damaged = |what| StoreError::Damaged { place: format!("{} {contact}", self.table), what };
        let (_, start) = self.start(contact).await?;
        let before = match before {
            None => None,
            Some(call) => {
                let sign = call.time("sign").unwrap_or(Time::MIN);
                let died = checkpoint.time("saved").map_or(sign, |saved| sign.max(saved));
                let packed = checkpoint.bytes("body");
                let bytes = packed.map(|packed| {
                    pack::unpack(&packed).ok_or_else(|| damaged("its checkpoint cannot be unpacked"))
                });
                Some(Before { died, checkpoint: bytes.transpose()? })
            }
        };
        let Begun { at: begun, reopened } = begun;
        Ok(Acquisition::Acquired(Box::new(Held { lease, start, begun, reopened, before })))
    }

    /// Stores what a call is begun with, unless somebody else has done so for this number.
    async fn put_start(&self, contact: &str, start: &[u8], generation: u64) -> Result<(), StoreError> {
        self.check_size(contact, "start", start.len())?;
        let values = json!({
            ":body": b(start),
            ":gen": n(generation),
            ":expires": self.expires(self.now()),
        });
        let update = "SET #body = :body, #gen = :gen, #expires = :expires";
        let condition = "attribute_not_exists(#gen) OR #gen < :gen";
        self.update(contact, "start", update, condition, values).await.map(|_| ())
    }

    /// What a finished call was begun with; `None`, where somebody was about to begin it anew and died.
    async fn start_of_finished(&self, contact: &str, call: &Item) -> Result<Option<Vec<u8>>, StoreError> {
        let (generation, start) = self.start(contact).await?;
        Ok((generation <= generation_of(call)).then_some(start))
    }

    /// What the call was begun with, and under which number.
    async fn start(&self, contact: &str) -> Result<(u64, Vec<u8>), StoreError> {
        let item = self.get(contact, "start").await?;
        let start = item.and_then(|item| Some((generation_of(&item), item.bytes("body")?)));
        let missing = || StoreError::Damaged {
            place: format!("{} {contact}", self.table),
            what: "its start is missing",
        };
        start.ok_or_else(missing)
    }

    fn check_size(&self, contact: &str, kind: &'static str, bytes: usize) -> Result<(), StoreError> {
        if bytes <= MAX_BODY {
            return Ok(());
        }
        Err(StoreError::TooLarge { contact: contact.to_owned(), kind, bytes, limit: MAX_BODY })
    }

    /// Ends the lease. `queue`: where the call stands then.
    async fn end(&self, lease: &Lease, queue: &str) -> Result<(), StoreError> {
        let now = self.now();
        let finished = queue == "finished";
        let due = if finished { ", #due = :now" } else { "" };
        let update = format!(
            "SET #until = :zero, #sign = :now, #last = :token, #queue = :queue, #expires = :expires{due} \
             REMOVE #token"
        );
        let values = json!({
            ":zero": n(0),
            ":now": t(now),
            ":token": s(&lease.token),
            ":queue": s(queue),
            ":expires": self.expires(now),
        });
        if self.update(&lease.contact, "call", &update, "#token = :token", values).await?.is_some() {
            return Ok(());
        }
        // Perhaps it was our own first try, whose answer was lost.
        let found = self.get(&lease.contact, "call").await?.unwrap_or_default();
        let ours = found.text("last") == Some(&lease.token) && found.text("queue") == Some(queue);
        if ours { Ok(()) } else { Err(lease.lost()) }
    }

    async fn store(&self, lease: &Lease, sequence: u64, checkpoint: &[u8]) -> Result<(), StoreError> {
        let now = self.now();
        let body = pack::pack(checkpoint);
        self.check_size(&lease.contact, "checkpoint", body.len())?;
        let update = "SET #body = :body, #seq = :seq, #saved = :now, #expires = :expires";
        let condition = "#gen = :gen AND (attribute_not_exists(#seq) OR #seq < :seq)";
        let values = json!({
            ":body": b(&body),
            ":seq": n(sequence),
            ":gen": n(lease.generation),
            ":now": t(now),
            ":expires": self.expires(now),
        });
        // The answer would hold the whole item.
        let body = json!({
            "Key": key(&lease.contact, "checkpoint"),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names_in(update, condition),
            "ExpressionAttributeValues": values,
        });
        match self.ask(DynamoDbOperation::UpdateItem, body).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Aws(error)) if error.is_condition_failed() => {}
            Err(error) => return Err(error),
        }
        let found = self.get(&lease.contact, "checkpoint").await?.unwrap_or_default();
        let ours = found.number("gen").is_some_and(|of| u64::try_from(of) == Ok(lease.generation));
        if ours { Ok(()) } else { Err(lease.lost()) }
    }

    async fn add(&self, contact: &str, entry: &Entry) -> Result<(), StoreError> {
        check_contact(contact)?;
        entry.check(contact)?;
        self.check_size(contact, "event", entry.body.len())?;
        // The same event again writes the same item again.
        let item = json!({
            "body": b(&entry.body),
            "at": t(entry.at),
            "id": s(&entry.id),
            "queue": s("event"),
            "due": t(entry.at),
            "expires": self.expires(entry.at),
        });
        self.put(item, contact, &format!("event#{}#{}", sortable(entry.at), entry.id)).await
    }
}

/// When a call was begun, and whether it had been over before.
#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Time,
    reopened: bool,
}

fn is_finished(call: &Item) -> bool {
    call.text("queue") == Some("finished")
}

/// How often the call was taken, or is with this start.
fn generation_of(call: &Item) -> u64 {
    call.number("gen").and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

impl Store for DynamoDb {
    fn acquire<'a>(&'a self, contact: &'a str, claim: Claim<'a>) -> Pending<'a, Acquisition> {
        Box::pin(self.claim(contact, claim))
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        Box::pin(async move {
            let now = self.now();
            let values = json!({ ":token": s(&lease.token), ":until": t(now + lease.ttl), ":now": t(now) });
            let update = "SET #until = :until, #sign = :now";
            let renewed = self.update(&lease.contact, "call", update, "#token = :token", values).await?;
            renewed.map(|_| ()).ok_or_else(|| lease.lost())
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        Box::pin(self.end(lease, "call"))
    }

    fn finish<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        Box::pin(self.end(lease, "finished"))
    }

    fn save<'a>(&'a self, lease: &'a Lease, sequence: u64, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        Box::pin(self.store(lease, sequence, checkpoint))
    }

    fn add_event<'a>(&'a self, contact: &'a str, entry: &'a Entry) -> Pending<'a, ()> {
        Box::pin(self.add(contact, entry))
    }

    fn events<'a>(&'a self, contact: &'a str, after: Cursor) -> Pending<'a, (Vec<Entry>, Cursor)> {
        Box::pin(self.read_events(contact, after))
    }

    fn unfinished(&self, limit: usize) -> Pending<'_, Vec<String>> {
        Box::pin(self.find_free(limit))
    }

    fn sweep(&self, now: Time) -> Pending<'_, u64> {
        Box::pin(self.sweep_all(now))
    }

    fn probe(&self) -> Pending<'_, String> {
        Box::pin(self.look())
    }
}
