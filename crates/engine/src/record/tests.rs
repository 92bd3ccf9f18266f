//! Records outlive engines.

use super::*;

/// As version 1 wrote it. Never change this text: add the next version's below.
const V1: &str = include_str!("v1.json");

#[test]
fn the_first_version_is_still_read() {
    let record = Stored::read("x", V1.as_bytes()).expect("a record");
    assert_eq!(record.name, "web");
    assert_eq!(record.spec.network.publish.len(), 1);
    assert_eq!(record.connections["front"].spec.v4, "10.1.0.9");
    let again = Stored::bytes(&record);
    assert_eq!(Stored::read("x", &again).expect("a record"), record);
}

#[test]
fn what_is_not_understood_is_refused() {
    let newer = V1.replacen("\"version\":1", "\"version\":2", 1);
    let error = Stored::read("x", newer.as_bytes()).expect_err("a newer version");
    assert_eq!(error.to_string(), "the record of container x has version 2, which this engine does not know");
    assert!(Stored::read("x", b"{").is_err());
}
