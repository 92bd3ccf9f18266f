//! Ports that stay while others come and go.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Ports, controller::Given};

fn wish(port: u16, exact: bool) -> PortMapping {
    let host = if exact { HostPorts::Exact(port + 1000..=port + 1000) } else { HostPorts::Any };
    PortMapping { container: Ports { proto: Proto::Tcp, range: port..=port }, host_address: None, host }
}

fn decide(wishes: &BTreeSet<(u16, bool)>, held: &[PortBinding], published: &PortIndex) -> Vec<PortBinding> {
    let mappings: Vec<_> = wishes.iter().map(|(port, exact)| wish(*port, *exact)).collect();
    let sandbox = SandboxId::new([1; 32]);
    let ways = [WayIn::HostPorts; 2];
    let wishes = Wishes { sandbox, mappings: &mappings, held, unnamed: Unnamed::Everywhere, ways };
    // The search for free ports does not begin where it did.
    let host = Host { given: Given { port: Some(40_000), ..Given::default() }, ..Host::default() };
    request_ports(published, &wishes, &host).expect("there are ports")
}

/// Each port of the container with the port of the host, at every address.
fn pairs(bindings: &[PortBinding]) -> BTreeSet<(u16, u16, IpAddr)> {
    let pairs = bindings.iter().flat_map(|binding| {
        let ports = binding.container.clone().zip(binding.host.clone());
        ports.map(|(inside, outside)| (inside, outside, binding.host_address))
    });
    pairs.collect()
}

proptest! {
    /// Whatever else comes or goes, a port that is published before and after stays where it is.
    #[test]
    fn ports_that_stay_keep_their_place(
        before in prop::collection::btree_set((1_u16..30, any::<bool>()), 0..20),
        after in prop::collection::btree_set((1_u16..30, any::<bool>()), 0..20),
    ) {
        let held = decide(&before, &[], &PortIndex::default());
        let mut published = PortIndex::default();
        held.iter().for_each(|binding| published.insert(binding, SandboxId::new([1; 32])));
        let now = decide(&after, &held, &published);
        let (old, new) = (pairs(&held), pairs(&now));
        for (port, exact) in before.intersection(&after) {
            let of = |pairs: &BTreeSet<(u16, u16, IpAddr)>| -> BTreeSet<_> {
                let is_it = |(inside, outside, _): &&(u16, u16, IpAddr)| {
                    inside == port && (*outside == port + 1000) == *exact
                };
                pairs.iter().filter(is_it).copied().collect()
            };
            prop_assert_eq!(of(&old), of(&new), "port {}", port);
        }
        prop_assert_eq!(new.len(), after.len() * 2);
        let again = decide(&after, &now, &{
            let mut published = PortIndex::default();
            now.iter().for_each(|binding| published.insert(binding, SandboxId::new([1; 32])));
            published
        });
        prop_assert_eq!(pairs(&again), new, "the same wish again");
    }
}
