//! The element table of `ids` against the specification's list in `elements.txt`: ids, types, parents and levels.
//!
//! It must never know the stream.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashMap;

use crate::ids::{self, Field, Kind, Master};

struct Element {
    parent: &'static str,
    name: &'static str,
    id: u64,
    kind: &'static str,
    may_be_unsized: bool,
    recursive: bool,
}

const MASTERS: [Master; 16] = [
    Master::Segment,
    Master::Info,
    Master::Tracks,
    Master::TrackEntry,
    Master::Audio,
    Master::Video,
    Master::ContentEncodings,
    Master::ContentEncoding,
    Master::ContentCompression,
    Master::ContentEncryption,
    Master::Cluster,
    Master::BlockGroup,
    Master::Tags,
    Master::Tag,
    Master::Targets,
    Master::SimpleTag,
];

fn list() -> Vec<Element> {
    let lines = include_str!("elements.txt").lines().filter(|line| !line.starts_with('#'));
    let element = |line: &'static str| {
        let mut fields = line.split(' ');
        let path = fields.next().unwrap();
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Element {
            parent: parent.rsplit('/').next().unwrap().trim_start_matches('+'),
            name: name.trim_start_matches('+'),
            id: u64::from_str_radix(fields.next().unwrap(), 16).unwrap(),
            kind: fields.next().unwrap(),
            may_be_unsized: fields.next() == Some("unsized"),
            recursive: name.starts_with('+'),
        }
    };
    lines.map(element).collect()
}

fn is_child(element: &Element, master: Master) -> bool {
    element.parent == master.name() || element.recursive && element.name == master.name()
}

#[test]
fn the_list_is_whole() {
    let all = list();
    let ids: HashMap<u64, &str> = all.iter().map(|element| (element.id, element.name)).collect();
    assert_eq!((all.len(), ids.len()), (273, 273), "an id stands twice");
    // ChapterDisplay has the id 80, whose data is zero, which RFC 8794 section 5 forbids. It stands in Chapters
    // alone, which are passed over whole.
    for element in all.iter().filter(|element| element.name != "ChapterDisplay") {
        assert!(element.id.leading_zeros() / 8 >= 4, "{} is too long", element.name);
        let [.., a, b, c, d] = element.id.to_be_bytes();
        let bytes: Vec<u8> = [a, b, c, d].into_iter().skip_while(|byte| *byte == 0).collect();
        let header = crate::ebml::header(&[&bytes[..], &[0x80]].concat(), 99, crate::ebml::Widths::DEFAULT);
        assert_eq!(header.map(|header| header.id), Ok(element.id), "{}", element.name);
    }
}

/// What is read has the specification's type and stands in its parent.
#[test]
fn every_element_in_its_parent() {
    for element in list() {
        for master in MASTERS.into_iter().filter(|master| is_child(&element, *master)) {
            let kind = ids::kind(master, element.id);
            let fits = match kind {
                Kind::Master(found) => element.kind == "master" && found.name() == element.name,
                Kind::Uint(_) => element.kind == "uinteger",
                Kind::Float(_) => element.kind == "float",
                Kind::Date(_) => element.kind == "date",
                Kind::Text(_) => matches!(element.kind, "string" | "utf-8"),
                // Of this integer only its presence counts.
                Kind::Binary(Field::ReferenceBlock) => element.kind == "integer",
                Kind::Binary(_) => element.kind == "binary",
                Kind::SimpleBlock => element.name == "SimpleBlock",
                Kind::Block => element.name == "Block",
                Kind::Skip => true,
                Kind::Upper => false,
            };
            assert!(fits, "{} in {} is {kind:?}, but {}", element.name, master.name(), element.kind);
        }
    }
}

/// Nothing is read where the specification does not put it, and only what stands above is told apart.
#[test]
fn no_element_in_another_parent() {
    for element in list() {
        // The root, the header and the children of the Segment end whatever has no size.
        let top = matches!(element.parent, "" | "Segment");
        for master in MASTERS.into_iter().filter(|master| !is_child(&element, *master)) {
            let expected = if top { Kind::Upper } else { Kind::Skip };
            assert_eq!(ids::kind(master, element.id), expected, "{} in {}", element.name, master.name());
        }
    }
}

#[test]
fn names_and_sizes_are_those_of_the_list() {
    let all = list();
    for element in &all {
        let mut name = String::new();
        ids::push_name(&mut name, element.id);
        let unknown = format!("0x{:X}", element.id);
        assert!(name == element.name || name == unknown, "{} is called {name}", element.name);
    }
    for master in MASTERS {
        let found = all.iter().find(|element| element.name == master.name()).unwrap();
        assert_eq!(master.may_be_unsized(), found.may_be_unsized, "{}", found.name);
        let mut name = String::new();
        ids::push_name(&mut name, found.id);
        assert_eq!(name, master.name(), "a master without a name");
    }
}

/// Whatever a reader of `Field` may get is in the list at all: each field is reached from one element.
#[test]
fn every_field_is_read_from_one_element() {
    let mut found: HashMap<String, &str> = HashMap::new();
    for element in list() {
        for master in MASTERS.into_iter().filter(|master| is_child(&element, *master)) {
            let field = match ids::kind(master, element.id) {
                Kind::Uint(field) | Kind::Float(field) | Kind::Date(field) => field,
                Kind::Text(field) | Kind::Binary(field) => field,
                _ => continue,
            };
            let before = found.insert(format!("{field:?}"), element.name);
            assert!(before.is_none_or(|before| before == element.name), "{field:?} is read twice");
        }
    }
    assert_eq!(found.len(), 35);
    // The variants are called as the elements are, but for where a name would say too little.
    let other = |(field, name): (&String, &&str)| {
        (field.to_lowercase() != name.to_lowercase()).then(|| field.clone())
    };
    let mut others: Vec<String> = found.iter().filter_map(other).collect();
    others.sort();
    assert_eq!(others, ["ClusterTimestamp"]);
}
