//! Links on other links, in another namespace than those.

use super::*;
use crate::rtnl::{IpvlanFlag, IpvlanMode, Lower, MacvlanMode};

/// Makes a link inside on a link of the socket's own namespace, and gives it as it is seen from inside.
fn on_a_link_of_the_host(
    rtnl: &mut Rtnl,
    directory: &Path,
    kind: impl FnOnce(Lower) -> LinkType<'static>,
) -> Link {
    let lower = veth(rtnl, "wire", "far");
    let (_, mut within) = inside(directory);
    let here = Netns::current().expect("the namespace of the test");
    let netns = Some(within.netns_id_add(here.as_fd()).expect("a number"));
    assert_eq!(within.netns_id(here.as_fd()).expect("ask"), netns);
    let add = LinkAdd {
        alias: Some("ours".to_owned()),
        up: true,
        ..LinkAdd::new("eth0", kind(Lower { index: lower.index, netns }))
    };
    let made = within.link_add(&add).expect("a link");
    assert_eq!((made.peer, made.peer_netns), (Some(lower.index), netns));
    assert_eq!(made.alias.as_deref(), Some("ours"));
    assert!(made.up);
    within.link_by_index(made.index).expect("ask").expect("it is there")
}

#[test]
fn a_macvlan_is_made_inside_on_a_link_outside() {
    for mode in [MacvlanMode::Private, MacvlanMode::Vepa, MacvlanMode::Bridge, MacvlanMode::Passthru] {
        alone(|rtnl, directory| {
            let made = on_a_link_of_the_host(rtnl, directory, |lower| LinkType::Macvlan(lower, mode));
            assert_eq!(made.kind, LinkKind::Macvlan(mode));
        });
    }
}

/// What the kernel of a host may lack.
mod elsewhere {
    use super::*;

    #[test]
    #[ignore = "needs a kernel with ipvlan: runs in make test-vm"]
    fn an_ipvlan_has_its_mode_and_flag() {
        alone(|rtnl, directory| {
            let kind = |lower| LinkType::Ipvlan(lower, IpvlanMode::L3, IpvlanFlag::Private);
            let made = on_a_link_of_the_host(rtnl, directory, kind);
            assert_eq!(made.kind, LinkKind::Ipvlan(IpvlanMode::L3, IpvlanFlag::Private));
        });
    }

    #[test]
    #[ignore = "needs a kernel with vlan: runs in make test-vm"]
    fn a_vlan_has_its_number() {
        alone(|rtnl, directory| {
            let made = on_a_link_of_the_host(rtnl, directory, |lower| LinkType::Vlan(lower, 10));
            assert_eq!(made.kind, LinkKind::Vlan(10));
        });
    }
}
