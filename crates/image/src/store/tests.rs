//! Records of all versions.

use super::*;
use crate::{Digest, ImageId, LayerId};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let store = Store::open(&dir.path().join("db")).expect("a store");
    (dir, store)
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (_dir, store) = store();
    let failed: Result<(), StoreError> = store.change(|change| {
        change.put("a", &record::Name::new(ImageId(Digest::of(b""))))?;
        Err(StoreError::Version { table: "names", key: "a".to_owned(), version: 9 })
    });
    assert!(failed.is_err());
    assert_eq!(store.view().unwrap().get::<record::Name>("a").unwrap(), None);
}

/// The text of every version ever written must stay readable.
#[test]
fn old_records_are_read() {
    let (_dir, store) = store();
    let digest = Digest::of(b"");
    let texts = [
        ("names", format!(r#"{{"version":1,"image":"{digest}"}}"#)),
        ("layers", r#"{"version":1,"size":7}"#.to_owned()),
        (
            "images",
            format!(
                r#"{{"version":1,"document":"{{}}","blobs":[{{"digest":"{digest}","size":7}}],"tagged":"t"}}"#
            ),
        ),
        (
            "known",
            format!(
                r#"{{"version":1,"places":[{{"blob":"{digest}","size":7,"repository":"docker.io/library/x"}}]}}"#
            ),
        ),
        ("steps", format!(r#"{{"version":1,"image":"{digest}"}}"#)),
        (
            "snapshots",
            format!(r#"{{"version":1,"base":{{"image":{{"image":"{digest}","layers":["{digest}"]}}}}}}"#),
        ),
    ];
    for (table, text) in &texts {
        let write = |change: &Change| -> Result<(), StoreError> {
            change.0.open_table(Table::new(table))?.insert("key", text.as_bytes())?;
            Ok(())
        };
        store.change(write).unwrap();
    }
    let view = store.view().unwrap();
    assert_eq!(view.get::<record::Known>("key").unwrap().unwrap().places[0].size, 7);
    // What was read in an old form is written in the newest.
    let image: record::Image = view.get("key").unwrap().unwrap();
    assert_eq!(image.manifest, None);
    store.change(|change| change.put("again", &image.with_manifest(Some(digest)))).unwrap();
    assert_eq!(store.view().unwrap().get::<record::Image>("again").unwrap().unwrap().manifest, Some(digest));
    let blob = record::Blob { digest, size: 7 };
    let image = record::Image::new("{}".to_owned(), vec![blob], "t".to_owned());
    let base = record::Base::Image { image: ImageId(digest), layers: vec![LayerId(digest)] };
    assert_eq!(view.get("key").unwrap(), Some(record::Name::new(ImageId(digest))));
    assert_eq!(view.get("key").unwrap(), Some(record::Step::new(ImageId(digest))));
    assert_eq!(view.get("key").unwrap(), Some(record::Layer::new(7)));
    assert_eq!(view.get("key").unwrap(), Some(image));
    assert_eq!(view.get("key").unwrap(), Some(record::Snapshot::new(base)));
}

#[test]
fn newer_and_broken_records_are_named() {
    let (_dir, store) = store();
    for (key, text) in [("new", r#"{"version":99,"more":1}"#), ("bad", "{")] {
        let write = |change: &Change| -> Result<(), StoreError> {
            change.0.open_table(Table::new("layers"))?.insert(key, text.as_bytes())?;
            Ok(())
        };
        store.change(write).unwrap();
    }
    let error = |key| store.view().unwrap().get::<record::Layer>(key).expect_err("refused").to_string();
    assert_eq!(error("new"), "the record new in layers is of version 99, which this engine does not know");
    assert_eq!(error("bad"), "the record bad in layers cannot be understood");
}
