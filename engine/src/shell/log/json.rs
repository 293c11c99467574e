//! One event as one JSON object: `timestamp`, `level`, `message`, `context`, `target`, and its fields.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::time;

/// Longest text of one field, bytes; a longer one is cut.
const MAX_TEXT: usize = 8 * 1024;

/// Formats an event as a line of JSON.
pub(super) struct JsonLine;

/// Keeps of a span only its contact id, as it is.
pub(super) struct CallFields;

impl<'w> FormatFields<'w> for CallFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut values = Values::default();
        fields.record(&mut values);
        match values.0.get("contact_id") {
            Some(Value::String(contact)) => writer.write_str(contact),
            _ => Ok(()),
        }
    }
}

impl<S> FormatEvent<S, CallFields> for JsonLine
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, CallFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut values = Values::default();
        event.record(&mut values);
        let contact = context.event_scope().into_iter().flatten().find_map(|span| {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<CallFields>>()?;
            (!fields.is_empty()).then(|| fields.fields.clone())
        });

        let mut line = Map::new();
        line.insert("timestamp".into(), time::rfc3339(crate::shell::clock::now()).into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("message".into(), values.0.remove("message").unwrap_or_default());
        if let Some(contact) = contact {
            line.insert("context".into(), serde_json::json!({ "contactId": contact }));
        }
        line.insert("target".into(), event.metadata().target().into());
        if !values.0.is_empty() {
            line.insert("fields".into(), Value::Object(values.0));
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Collects the fields of an event.
#[derive(Default)]
struct Values(Map<String, Value>);

impl Values {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Values {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, cut(value));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, cut(&value.to_string()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, cut(&format!("{value:?}")));
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}
