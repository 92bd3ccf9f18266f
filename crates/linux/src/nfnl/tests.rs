//! Against the kernel, each test in a namespace of its own; nft(8) reads what we wrote.

mod batches;
mod laws;
mod listing;
mod packets;

use super::*;
use crate::netns::leave_host;

/// Runs a test in a namespace of its own.
fn alone(test: impl FnOnce(&mut Nfnl) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            test(&mut Nfnl::open().expect("a socket"));
        });
    });
}

/// What nft(8) makes of the rules of the calling thread's namespace.
fn nft_list() -> String {
    #[expect(clippy::disallowed_methods, reason = "a second opinion, in tests only")]
    let nft = std::process::Command::new("nft").args(["-n", "list", "ruleset"]).output().expect("nft runs");
    assert!(nft.status.success(), "{nft:?}");
    String::from_utf8(nft.stdout).expect("text")
}

fn table() -> Table {
    Table::new(Family::Inet, "t")
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn ip(text: &str) -> Value {
    Value::from(text.parse::<std::net::IpAddr>().expect("an address"))
}

fn port(port: u16) -> Value {
    Value::InetService(port)
}

fn proto(number: u8) -> Value {
    Value::InetProto(number)
}

fn name(name: &str) -> Value {
    Value::Ifname(name.to_owned())
}

const TCP: u8 = 6;
const UDP: u8 = 17;

fn exact(types: &[Type]) -> Key {
    Key::exact(types).expect("a key")
}

/// proto . port → addr . port
fn publish() -> Set {
    let key = exact(&[Type::InetProto, Type::InetService]);
    Set::map("publish", key, [Type::Ipv4Addr, Type::InetService]).expect("a map")
}

/// addr . proto . port → addr . port
fn publish_addr() -> Set {
    let key = exact(&[Type::Ipv4Addr, Type::InetProto, Type::InetService]);
    Set::map("publish_addr", key, [Type::Ipv4Addr, Type::InetService]).expect("a map")
}

/// port → addr, by intervals
fn range() -> Set {
    let key = Key::interval(Type::InetService).expect("a key");
    Set::map("range", key, [Type::Ipv4Addr]).expect("a map")
}
