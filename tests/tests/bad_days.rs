//! The table of bad days names tests that exist.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

#[test]
fn every_test_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = std::fs::read_to_string(root.join("tests/BAD_DAYS.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| **"));
    let mut named = 0;
    for row in rows.filter(|row| !row.starts_with("| Bad day")) {
        let before = named;
        let mut source = String::new();
        // What stands between back-ticks: a file, then names of tests in it.
        for word in row.split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                source = std::fs::read_to_string(root.join(word)).unwrap_or_else(|e| panic!("{word}: {e}"));
            } else {
                let function = source.find(&format!("fn {word}(")).unwrap_or_else(|| panic!("no {word}"));
                let before = &source[..function];
                let attributes = before.rsplit("\n\n").next().unwrap();
                assert!(attributes.contains("test"), "{word} is no test: {attributes}");
                named += 1;
            }
        }
        assert!(named > before, "no test: {row}");
    }
    assert!(named > 80, "{named} tests are named");
}
