//! What reads more than one item: the events of a contact, the calls that nobody holds, and what is over.

use serde_json::{Value, json};

use crate::shell::aws::{AwsErrorKind, DynamoDbOperation};
use crate::shell::store::{ABANDONED, Cursor, EARLY_EVENTS, Entry, StoreError};
use crate::time::Time;

use super::item::{Item, key, n, names_in, s, sortable, t};
use super::{DynamoDb, LOOK_BACK};

/// Items that one sweep looks at; the next one goes on.
const MAX_SWEPT: usize = 1_000;
/// Name of the index.
const INDEX: &str = "queue";

impl DynamoDb {
    /// All pages of a query, until there are so many items.
    async fn query(&self, mut body: Value, limit: usize) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        loop {
            let answer = self.ask(DynamoDbOperation::Query, body.clone()).await?;
            items.extend(Item::all(&answer));
            match answer.get("LastEvaluatedKey") {
                Some(next) if items.len() < limit => body["ExclusiveStartKey"] = next.clone(),
                _ => break,
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    pub(super) async fn read_events(
        &self,
        contact: &str,
        after: Cursor,
    ) -> Result<(Vec<Entry>, Cursor), StoreError> {
        let now = self.now();
        let newest = Time::from_us(i64::try_from(after.0).unwrap_or(i64::MAX));
        let condition = "#pk = :pk AND #sk BETWEEN :from AND :to";
        let body = json!({
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names_in(condition, ""),
            "ExpressionAttributeValues": {
                ":pk": s(contact),
                ":from": s(&format!("event#{}", sortable(newest - LOOK_BACK))),
                ":to": s("event#~"),
            },
            "ConsistentRead": true,
        });
        let mut entries: Vec<Entry> = Vec::new();
        for item in self.query(body, usize::MAX).await? {
            let (Some(id), Some(at), Some(body)) = (item.text("id"), item.time("at"), item.bytes("body"))
            else {
                tracing::error!(contact, "an event in the table cannot be read: look at its item");
                continue;
            };
            if !entries.iter().any(|known| known.id == id) {
                entries.push(Entry { id: id.to_owned(), at, body });
            }
        }
        // One that was stamped by a clock far ahead must not hide what comes behind it.
        let last = entries.iter().map(|entry| entry.at).max().map(|at| at.min(now));
        let last = last.and_then(|at| u64::try_from(at.us()).ok()).unwrap_or(0);
        Ok((entries, Cursor(last.max(after.0))))
    }

    /// The keys in a part of the index, oldest first.
    async fn queued(
        &self,
        queue: &str,
        due_before: Option<Time>,
        free_at: Option<Time>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mut values = json!({ ":queue": s(queue) });
        let mut condition = "#queue = :queue".to_owned();
        if let Some(due) = due_before {
            condition.push_str(" AND #due < :due");
            values[":due"] = t(due);
        }
        let filter = if free_at.is_some() { "#until <= :now" } else { "" };
        let mut body = json!({
            "IndexName": INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names_in(&condition, filter),
        });
        if let Some(now) = free_at {
            values[":now"] = t(now);
            body["FilterExpression"] = json!(filter);
        }
        body["ExpressionAttributeValues"] = values;
        self.query(body, limit).await
    }

    pub(super) async fn find_free(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let free = self.queued("call", None, Some(self.now()), limit).await?;
        Ok(free.iter().filter_map(|item| item.text("pk").map(str::to_owned)).collect())
    }

    pub(super) async fn sweep_all(&self, now: Time) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for item in self.queued("finished", Some(now - self.keep), None, MAX_SWEPT).await? {
            deleted += self.delete_contact(&item).await?;
        }
        for item in self.queued("call", Some(now - ABANDONED), Some(now - ABANDONED), MAX_SWEPT).await? {
            let contact = item.text("pk").unwrap_or_default();
            let values = json!({
                ":free": t(now - ABANDONED),
                ":call": s("call"),
                ":finished": s("finished"),
                ":zero": n(0),
            });
            let condition = "#until <= :free AND #queue = :call";
            let update = "SET #queue = :finished, #due = :zero";
            if self.update(contact, "call", update, condition, values).await?.is_some() {
                tracing::error!(contact, "nobody has gone on with the call for a week: it is deleted");
                deleted += self.delete_contact(&item).await?;
            }
        }
        for item in self.queued("event", Some(now - EARLY_EVENTS), None, MAX_SWEPT).await? {
            deleted += self.judge_event(&item).await?;
        }
        Ok(deleted)
    }

    /// Deletes all items of a contact whose call is finished. The call goes last, so that nobody begins it anew
    /// in the middle.
    async fn delete_contact(&self, item: &Item) -> Result<u64, StoreError> {
        let Some(contact) = item.text("pk") else { return Ok(0) };
        let condition = "#pk = :pk";
        let all = json!({
            "KeyConditionExpression": condition,
            "ProjectionExpression": "#sk",
            "ExpressionAttributeNames": names_in(condition, "#sk"),
            "ExpressionAttributeValues": { ":pk": s(contact) },
            "ConsistentRead": true,
        });
        for item in self.query(all, usize::MAX).await? {
            if let Some(sk) = item.text("sk").filter(|sk| *sk != "call") {
                self.delete(contact, sk).await?;
            }
        }
        self.delete(contact, "call").await.map(|()| 1)
    }

    /// An event that has waited for its call long enough: it is the call's now, or over.
    async fn judge_event(&self, item: &Item) -> Result<u64, StoreError> {
        let (Some(contact), Some(sk)) = (item.text("pk"), item.text("sk")) else { return Ok(0) };
        if self.get(contact, "call").await?.is_none() {
            return self.delete(contact, sk).await.map(|()| 1);
        }
        let update = "REMOVE #queue, #due";
        let condition = "attribute_exists(#pk)";
        let body = json!({
            "Key": key(contact, sk),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names_in(update, condition),
        });
        match self.ask(DynamoDbOperation::UpdateItem, body).await {
            Ok(_) => Ok(0),
            Err(StoreError::Aws(error)) if error.is_condition_failed() => Ok(0),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, contact: &str, sk: &str) -> Result<(), StoreError> {
        let body = json!({ "Key": key(contact, sk) });
        self.ask(DynamoDbOperation::DeleteItem, body).await.map(|_| ())
    }

    pub(super) async fn look(&self) -> Result<String, StoreError> {
        let wrong = |what: &str| StoreError::Table { table: self.table.clone(), what: what.to_owned() };
        let described = self.ask(DynamoDbOperation::DescribeTable, json!({})).await;
        let table = match described {
            Err(StoreError::Aws(error)) if error.kind == AwsErrorKind::NotFound => {
                return Err(wrong("does not exist in this account and region"));
            }
            described => described?,
        };
        let table = &table["Table"];
        if !matches!(table["TableStatus"].as_str(), Some("ACTIVE" | "UPDATING")) {
            return Err(wrong("is not active"));
        }
        if keys(table) != Some(["pk", "sk"]) {
            return Err(wrong("has other keys than pk and sk"));
        }
        let indexes = table["GlobalSecondaryIndexes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let index = indexes.iter().find(|index| index["IndexName"] == INDEX);
        match index.map(keys) {
            Some(Some(["queue", "due"])) => Ok(format!("table {} of DynamoDB", self.table)),
            _ => Err(wrong("lacks the index `queue` with the keys queue and due")),
        }
    }
}

/// The names of the two keys of a table or an index.
fn keys(of: &Value) -> Option<[&str; 2]> {
    let schema = of["KeySchema"].as_array()?;
    let name = |kind: &str| {
        let key = schema.iter().find(|key| key["KeyType"] == kind)?;
        key["AttributeName"].as_str()
    };
    Some([name("HASH")?, name("RANGE")?])
}
