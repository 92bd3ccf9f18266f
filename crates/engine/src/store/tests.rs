//! What was acknowledged is there after opening again.

use super::*;
use crate::ContainerSpec;

#[tokio::test]
async fn what_was_put_is_found_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("engine.redb");
    let (a, b) = (Record::new("web", ContainerSpec::default()), Record::new("db", ContainerSpec::default()));
    {
        let (store, kept) = Store::open(&path).expect("a store");
        assert!(kept.containers.is_empty());
        for record in [&a, &b] {
            store.put(record).await.expect("a commit");
        }
        store.delete(&a.id).await.expect("a commit");
    }
    let reopened = reopen(&path);
    assert_eq!(reopened.containers, [b]);
}

/// The writer's thread lets go of the file a moment after its store is dropped.
fn reopen(path: &Path) -> Kept {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        match Store::open(path) {
            Ok((_, kept)) => return kept,
            Err(error) if std::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[tokio::test]
async fn many_at_once_are_all_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("engine.redb");
    let records: Vec<_> =
        (0..50).map(|number| Record::new(&format!("c{number}"), ContainerSpec::default())).collect();
    {
        let (store, _) = Store::open(&path).expect("a store");
        let puts = records.iter().map(|record| store.put(record));
        for outcome in futures_util::future::join_all(puts).await {
            outcome.expect("a commit");
        }
    }
    assert_eq!(reopen(&path).containers.len(), records.len());
}
