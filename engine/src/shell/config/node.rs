//! Values of any layer, and how they become options.
//!
//! What comes from the environment or a flag is text, and what it means is decided by the option that takes
//! it: `00D…` or `123` for a text option is text, for a number it is parsed. Values of the file have the type
//! they were written with.

use std::collections::BTreeMap;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::{Origin, ReadError};

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) node: Node,
    pub(super) origin: Origin,
}

pub(super) type Table = BTreeMap<String, Entry>;

#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Text of the environment or a flag: any type.
    Loose(String),
    Text(String),
    Whole(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    pub(super) fn from_toml(value: toml::Value, origin: &Origin) -> Self {
        match value {
            toml::Value::String(text) => Self::Text(text),
            toml::Value::Integer(n) => Self::Whole(n),
            toml::Value::Float(n) => Self::Float(n),
            toml::Value::Boolean(b) => Self::Bool(b),
            toml::Value::Datetime(time) => Self::Text(time.to_string()),
            toml::Value::Array(list) => {
                Self::List(list.into_iter().map(|v| Self::from_toml(v, origin)).collect())
            }
            toml::Value::Table(table) => Self::Table(table_of(table, origin)),
        }
    }

    /// Text that is written as a TOML list or table.
    fn parsed(text: &str) -> Result<Self, ReadError> {
        let document: toml::Table = toml::from_str(&format!("value = {text}"))
            .map_err(|_| ReadError::custom("expected a list or table as TOML writes it"))?;
        let value = document.into_iter().next().map(|(_, value)| value);
        value
            .map(|v| Self::from_toml(v, &Origin::Missing))
            .ok_or_else(|| ReadError::custom("expected a value"))
    }
}

pub(super) fn table_of(table: toml::Table, origin: &Origin) -> Table {
    let entry = |value| Entry { node: Node::from_toml(value, origin), origin: origin.clone() };
    table.into_iter().map(|(key, value)| (key, entry(value))).collect()
}

/// Reads text as the type asked for, or says what was expected.
fn number<T: std::str::FromStr>(text: &str, expected: &str) -> Result<T, ReadError> {
    text.trim().parse().map_err(|_| ReadError::custom(format_args!("expected {expected}")))
}

impl<'de> Deserializer<'de> for Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) => match Self::parsed(&text) {
                Ok(Self::Text(_)) | Err(_) => visitor.visit_string(text),
                Ok(other) => other.deserialize_any(visitor),
            },
            Self::Text(text) => visitor.visit_string(text),
            Self::Whole(n) => visitor.visit_i64(n),
            Self::Float(n) => visitor.visit_f64(n),
            Self::Bool(b) => visitor.visit_bool(b),
            Self::List(list) => visitor.visit_seq(Elements(list.into_iter().enumerate())),
            Self::Table(table) => visitor.visit_map(Keys::new(table)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) => visitor.visit_bool(number(&text.to_ascii_lowercase(), "true or false")?),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) => visitor.visit_i64(number(&text, "a whole number")?),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) => visitor.visit_f64(number(&text, "a number")?),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) => visitor.visit_string(text),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) if text.trim_start().starts_with('[') => {
                Self::parsed(&text)?.deserialize_any(visitor)
            }
            Self::Loose(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Self::List(parts.map(|part| Self::Loose(part.to_owned())).collect()).deserialize_any(visitor)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) => Self::parsed(&text)?.deserialize_any(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self {
            Self::Loose(text) if text.trim_start().starts_with('{') => {
                Self::parsed(&text)?.deserialize_enum(name, known, visitor)
            }
            Self::Loose(text) | Self::Text(text) => {
                let text: StringDeserializer<ReadError> = text.into_deserializer();
                visitor.visit_enum(text)
            }
            Self::Table(table) => visitor.visit_enum(MapAccessDeserializer::new(Keys::new(table))),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_string(visitor)
    }
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_string(visitor)
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct tuple_struct identifier ignored_any i128 u128 }
}

impl IntoDeserializer<'_, ReadError> for Node {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// The keys of a table, one after the other; an error in a value is given its key.
struct Keys {
    rest: std::collections::btree_map::IntoIter<String, Entry>,
    value: Option<(String, Node)>,
}

impl Keys {
    fn new(table: Table) -> Self {
        Self { rest: table.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Keys {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, entry)) = self.rest.next() else { return Ok(None) };
        self.value = Some((key.clone(), entry.node));
        let key: StringDeserializer<ReadError> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let (key, node) = self.value.take().ok_or_else(|| ReadError::custom("a value without a key"))?;
        seed.deserialize(node).map_err(|e| e.within(&key))
    }
}

struct Elements(std::iter::Enumerate<std::vec::IntoIter<Node>>);

impl<'de> SeqAccess<'de> for Elements {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((i, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|e| e.within(&format!("[{i}]")))
    }
}
