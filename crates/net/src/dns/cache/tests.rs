//! The laws of what is kept, by a clock of the test's own.

use std::collections::BTreeMap;

use cnm::files::Upstream;
use domain::base::iana::Rtype;
use proptest::prelude::*;

use super::super::shared::Ask;
use super::super::shared::tests::{How, found, query};
use super::*;

fn servers(last: u8) -> Arc<[Upstream]> {
    let server = std::net::IpAddr::from([192, 0, 2, last]).into();
    Arc::new([Upstream { server, on_host: true }])
}

fn asked(name: u16) -> Vec<u8> {
    query(&format!("name{name}.test"), Rtype::A, How::default())
}

fn key(name: u16, server: u8) -> Key {
    Key { subject: Ask::read(&asked(name)).expect("a question").subject, servers: servers(server) }
}

fn reply(name: u16, left: u32) -> Arc<Reply> {
    Arc::new(found(&asked(name), left))
}

#[test]
fn a_reply_is_kept_to_its_end_and_not_longer() {
    let (mut cache, start) = (Cache::default(), Instant::now());
    let second = Duration::from_secs(1);
    cache.put(&key(1, 1), reply(1, 10), start);
    assert!(cache.get(&key(1, 1), start + 10 * second - Duration::from_nanos(1)).is_some());
    assert!(cache.get(&key(1, 2), start).is_none(), "others may say something else");
    assert!(cache.get(&key(2, 1), start).is_none());
    assert!(cache.get(&key(1, 1), start + 10 * second).is_none());
    assert_eq!(cache.taken, 0);
    cache.put(&key(1, 1), reply(1, 0), start);
    assert_eq!(cache.taken, 0, "it may not be kept");
}

#[test]
fn what_is_used_stays_when_room_is_short() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.put(&key(0, 1), reply(0, 60), now);
    for name in 1..5000 {
        cache.put(&key(name, 1), reply(name, 60), now);
        assert!(cache.get(&key(0, 1), now).is_some(), "after {name} others");
    }
    assert!(cache.get(&key(1, 1), now).is_none());
    assert!(cache.get(&key(4999, 1), now).is_some());
    assert!(cache.entries.len() > 500, "{} fit", cache.entries.len());
}

proptest! {
    /// It never says anything but what was put last and is still true, and stays within its room.
    #[test]
    fn a_cache_is_a_map_that_forgets(
        acts in prop::collection::vec((0..2000_u16, 1..3_u8, 0..100_u32, 0..20_000_u64, any::<bool>()), 0..3000),
    ) {
        let (mut cache, mut now) = (Cache::default(), Instant::now());
        let mut truth: BTreeMap<Key, (Arc<Reply>, Instant)> = BTreeMap::new();
        for (name, server, left, millis, put) in acts {
            now += Duration::from_millis(millis / 100);
            let key = key(name % 1500, server);
            if put {
                let reply = reply(name % 1500, left);
                cache.put(&key, Arc::clone(&reply), now);
                truth.insert(key, (reply, now));
            } else if let Some((reply, age)) = cache.get(&key, now) {
                let (expected, since) = truth.get(&key).expect("it was put");
                prop_assert!(Arc::ptr_eq(&reply, expected));
                prop_assert_eq!(age, now - *since);
                prop_assert!(age < reply.life());
            }
            prop_assert!(cache.taken <= ROOM);
        }
        let sum: usize = cache.entries.iter().map(|(key, entry)| cost(key, &entry.reply)).sum();
        prop_assert_eq!(sum, cache.taken);
        prop_assert_eq!(cache.entries.len(), cache.uses.len());
    }
}
