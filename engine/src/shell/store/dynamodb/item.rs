//! Attributes of items, as DynamoDB's JSON writes them.
//!
//! Source: Amazon DynamoDB, AttributeValue.

use aws_smithy_types::base64;
use serde_json::{Map, Value, json};

use crate::time::Time;

/// A text.
pub(super) fn s(text: &str) -> Value {
    json!({ "S": text })
}

/// A number.
pub(super) fn n(number: impl Into<i128>) -> Value {
    let number: i128 = number.into();
    json!({ "N": number.to_string() })
}

/// A time, microseconds.
pub(super) fn t(time: Time) -> Value {
    n(time.us())
}

/// Bytes.
pub(super) fn b(bytes: &[u8]) -> Value {
    json!({ "B": base64::encode(bytes) })
}

/// The key of an item.
pub(super) fn key(contact: &str, sk: &str) -> Value {
    json!({ "pk": s(contact), "sk": s(sk) })
}

/// `#name` stands for `name`, for all that these expressions use.
pub(super) fn names_in(update: &str, condition: &str) -> Value {
    let mut names = serde_json::Map::new();
    for expression in [update, condition] {
        for part in expression.split('#').skip(1) {
            let name: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
            names.insert(format!("#{name}"), Value::String(name));
        }
    }
    Value::Object(names)
}

/// A time whose text sorts as it does.
pub(super) fn sortable(at: Time) -> String {
    format!("{:020}", at.us().max(0))
}

/// An item as it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Item(Map<String, Value>);

impl Item {
    /// The item under this name of an answer; `None`: there is none.
    pub(super) fn of(answer: &Value, name: &str) -> Option<Self> {
        answer.get(name)?.as_object().filter(|item| !item.is_empty()).map(|item| Self(item.clone()))
    }

    /// The items of an answer to a query.
    pub(super) fn all(answer: &Value) -> Vec<Self> {
        let items = answer.get("Items").and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_object().map(|item| Self(item.clone()))).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.get("S")?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.get("N")?.as_str()?.parse().ok()
    }

    pub(super) fn time(&self, name: &str) -> Option<Time> {
        self.number(name).map(Time::from_us)
    }

    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        base64::decode(self.0.get(name)?.get("B")?.as_str()?).ok()
    }
}
