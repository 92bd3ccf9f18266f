//! Who asks, and who waits.

use domain::base::iana::Rtype;

use super::super::shared::Ask;
use super::super::shared::tests::{How, found, query};
use super::*;

fn key() -> (Vec<u8>, Key) {
    let query = query("web.test", Rtype::A, How::default());
    let subject = Ask::read(&query).expect("a question").subject;
    (query, Key { subject, servers: Arc::new([]) })
}

fn lead<'a>(memory: &'a Memory, key: &Key) -> Option<Lead<'a>> {
    match memory.begin(key.clone(), Transport::Udp, Instant::now()) {
        Next::Lead(lead) => Some(lead),
        Next::Known(..) | Next::Wait(_) => None,
    }
}

fn wait(memory: &Memory, key: &Key) -> Wait {
    match memory.begin(key.clone(), Transport::Udp, Instant::now()) {
        Next::Wait(wait) => wait,
        next @ (Next::Known(..) | Next::Lead(_)) => panic!("{next:?}"),
    }
}

#[tokio::test]
async fn one_asks_and_all_hear() {
    let ((query, key), memory) = (key(), Memory::default());
    let first = lead(&memory, &key).expect("nobody asks");
    let waiting: Vec<_> = (0..100).map(|_| wait(&memory, &key)).collect();
    let by_tcp = memory.begin(key.clone(), Transport::Tcp, Instant::now());
    assert!(matches!(by_tcp, Next::Lead(_)), "what is cut for one is whole for the other");
    first.tell(Outcome::Reply(Arc::new(found(&query, 60))), Arc::new([]), Instant::now());
    for wait in waiting {
        assert!(matches!(wait.outcome().await, Outcome::Reply(_)));
    }
    let known = memory.begin(key.clone(), Transport::Tcp, Instant::now());
    assert!(matches!(known, Next::Known(..)), "{known:?}");
    let later = Instant::now() + Duration::from_secs(60);
    assert!(matches!(memory.begin(key, Transport::Udp, later), Next::Lead(_)));
}

#[tokio::test]
async fn what_may_not_be_kept_is_heard_by_who_waits_and_asked_again() {
    let ((query, key), memory) = (key(), Memory::default());
    let outcomes = [Outcome::Reply(Arc::new(found(&query, 0))), Outcome::Silence, Outcome::Unfit];
    for outcome in outcomes {
        let first = lead(&memory, &key).expect("nobody asks");
        let waiting = wait(&memory, &key);
        first.tell(outcome.clone(), Arc::new([]), Instant::now());
        let heard = waiting.outcome().await;
        assert_eq!(std::mem::discriminant(&heard), std::mem::discriminant(&outcome));
    }
    assert!(lead(&memory, &key).is_some());
}

#[tokio::test]
async fn who_waits_for_one_that_is_gone_asks_by_itself() {
    let ((_, key), memory) = (key(), Memory::default());
    let first = lead(&memory, &key).expect("nobody asks");
    let waiting = wait(&memory, &key);
    drop(first);
    assert!(matches!(waiting.outcome().await, Outcome::Unfit));
    assert!(lead(&memory, &key).is_some());
}
