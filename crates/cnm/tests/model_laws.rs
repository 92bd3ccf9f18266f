//! What holds for every model that requests can reach.

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;

use cnm::{
    Delta, EndpointId, EndpointSettings, Family, Model, NetworkId, PortMapping, SandboxId,
    apply::{apply, reconcile},
    controller::{Refused, Request},
    fake::FakeKernel,
    record::{EndpointRecord, NetworkRecord, SandboxRecord},
    spec::{
        EndpointForm, EndpointSpec, NetworkForm, NetworkSpec, NetworkUpdate, NetworkUpdateForm, PoolForm,
        PortForm, SandboxUpdate, extra_host,
    },
    state::kernel_state,
};
use proptest::{prelude::*, sample::Index, test_runner::TestCaseError};
use world::{World, mappings, network, sandbox};

/// A request that names things by their place among what there is.
#[derive(Clone, Debug)]
enum Wish {
    CreateNetwork { name: usize, subnets: Vec<&'static str>, internal: bool },
    UpdateNetwork { network: Index, v4: Option<bool>, v6: Option<bool>, option: (&'static str, &'static str) },
    DeleteNetwork(Index),
    CreateSandbox { owner: usize, ports: Vec<(&'static str, &'static str, &'static str)> },
    Publish(Index, Vec<(&'static str, &'static str, &'static str)>),
    DeleteSandbox(Index),
    CreateEndpoint { network: Index, name: usize, v4: &'static str, mac: &'static str, priority: i32 },
    DeleteEndpoint(Index),
    Join(Index, Index),
    Leave(Index),
    Rename(Index, usize),
}

const OPTIONS: [&str; 6] = [
    "com.docker.network.bridge.name",
    "com.docker.network.driver.mtu",
    "com.docker.network.container_iface_prefix",
    "com.docker.network.enable_ipv4",
    "com.docker.network.endpoint.ifname",
    "com.docker.network.endpoint.sysctls",
];

const NAMES: [&str; 6] = ["a", "b", "C", "d", "e", "bridge"];

fn ports() -> impl Strategy<Value = Vec<(&'static str, &'static str, &'static str)>> {
    let port = prop::sample::select(vec![
        ("80", "", "80"),
        ("80", "", ""),
        ("81", "", ""),
        ("1-4", "", ""),
        ("80", "127.0.0.1", "80"),
        ("80-82", "127.0.0.1", "79-81"),
        ("80/udp", "::1", "80"),
        ("80", "127.0.0.2", "78-90"),
        ("70-90", "", "70-90"),
        ("90", "0.0.0.0", ""),
    ]);
    prop::collection::vec(port, 0..4)
}

fn subnets() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::select(vec![
        vec![],
        vec!["::/64"],
        vec!["10.1.0.0/29"],
        vec!["10.1.0.0/28", "fd00:1::/126"],
        vec!["10.1.0.0/30"],
        vec!["0.0.0.0/26"],
        vec!["10.2.0.0/31", "fd00:2::/64"],
    ])
}

fn wish() -> impl Strategy<Value = Wish> {
    let (index, name) = (any::<Index>, || 0..NAMES.len());
    let v4 = prop::sample::select(vec!["", "", "10.1.0.2", "10.1.0.3", "10.1.0.1"]);
    let mac = prop::sample::select(vec!["", "", "02:00:00:00:00:01"]);
    let option = prop::sample::select(vec![
        ("com.docker.network.driver.mtu", "1400"),
        ("com.docker.network.driver.mtu", "1000"),
        ("com.docker.network.bridge.enable_icc", "false"),
        ("com.docker.network.bridge.trusted_host_interfaces", "wg0"),
        ("com.docker.network.bridge.inhibit_ipv4", "true"),
        ("com.docker.network.bridge.gateway_mode_ipv4", "routed"),
    ]);
    prop_oneof![
        2 => (name(), subnets(), any::<bool>())
            .prop_map(|(name, subnets, internal)| Wish::CreateNetwork { name, subnets, internal }),
        2 => (index(), any::<Option<bool>>(), any::<Option<bool>>(), option)
            .prop_map(|(network, v4, v6, option)| Wish::UpdateNetwork { network, v4, v6, option }),
        1 => index().prop_map(Wish::DeleteNetwork),
        2 => (name(), ports()).prop_map(|(owner, ports)| Wish::CreateSandbox { owner, ports }),
        2 => (index(), ports()).prop_map(|(sandbox, ports)| Wish::Publish(sandbox, ports)),
        1 => index().prop_map(Wish::DeleteSandbox),
        4 => (index(), name(), v4, mac, -1..2i32).prop_map(|(network, name, v4, mac, priority)| {
            Wish::CreateEndpoint { network, name, v4, mac, priority }
        }),
        1 => index().prop_map(Wish::DeleteEndpoint),
        4 => (index(), index()).prop_map(|(endpoint, sandbox)| Wish::Join(endpoint, sandbox)),
        1 => index().prop_map(Wish::Leave),
        1 => (index(), name()).prop_map(|(endpoint, name)| Wish::Rename(endpoint, name)),
    ]
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    prop::collection::vec(wish(), 0..60)
}

fn pick<T: Clone>(index: Index, items: impl Iterator<Item = T>) -> Option<T> {
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then(|| index.get(&items).clone())
}

fn networks(model: &Model) -> impl Iterator<Item = NetworkId> {
    model.networks().map(|network| network.id)
}

fn sandboxes(model: &Model) -> impl Iterator<Item = SandboxId> {
    model.sandboxes().map(|sandbox| sandbox.id)
}

fn endpoints(model: &Model) -> impl Iterator<Item = EndpointId> {
    model.endpoints().map(|endpoint| endpoint.id)
}

/// The request, if there is what it is about.
fn request(model: &Model, wish: Wish) -> Option<Request> {
    Some(match wish {
        Wish::CreateNetwork { name: 5, .. } => return None,
        Wish::CreateNetwork { name, subnets, internal } => {
            Request::CreateNetwork(network(NAMES[name], &subnets, |form| form.internal = internal))
        }
        Wish::UpdateNetwork { network, v4, v6, option: (option, value) } => {
            let options = [(option.to_owned(), Some(value.to_owned()))].into();
            let form = NetworkUpdateForm { v4, v6, options, ..NetworkUpdateForm::default() };
            let update = NetworkUpdate::parse(form).expect("no subnet is named");
            Request::UpdateNetwork(pick(network, networks(model))?, update)
        }
        Wish::DeleteNetwork(index) => Request::DeleteNetwork(pick(index, networks(model))?),
        Wish::CreateSandbox { owner, ports } => {
            let mut spec = sandbox(NAMES[owner]);
            spec.publish = mappings(&ports);
            Request::CreateSandbox(spec)
        }
        Wish::Publish(index, ports) => {
            let update = SandboxUpdate { publish: Some(mappings(&ports)), ..SandboxUpdate::default() };
            Request::UpdateSandbox(pick(index, sandboxes(model))?, update)
        }
        Wish::DeleteSandbox(index) => Request::DeleteSandbox(pick(index, sandboxes(model))?),
        Wish::CreateEndpoint { network, name, v4, mac, priority } => {
            let network = pick(network, model.networks())?;
            let form = EndpointForm {
                v4: v4.to_owned(),
                mac: mac.to_owned(),
                dns_names: vec![NAMES[name].to_owned(), "all".to_owned()],
                gateway_priority: priority,
                ..EndpointForm::default()
            };
            let settings = EndpointSettings::parse(form, network).ok()?;
            let (name, owner) = (NAMES[name].to_owned(), NAMES[name].to_owned());
            Request::CreateEndpoint(EndpointSpec { id: None, name, network: network.id, owner, settings })
        }
        Wish::DeleteEndpoint(index) => Request::DeleteEndpoint(pick(index, endpoints(model))?),
        Wish::Join(endpoint, sandbox) => Request::Join {
            endpoint: pick(endpoint, endpoints(model))?,
            sandbox: pick(sandbox, sandboxes(model))?,
        },
        Wish::Leave(index) => Request::Leave(pick(index, endpoints(model))?),
        Wish::Rename(index, name) => Request::RenameEndpoint {
            endpoint: pick(index, endpoints(model))?,
            name: NAMES[name].to_owned(),
            dns_names: vec![NAMES[name].to_owned()],
        },
    })
}

fn world() -> World {
    let mut world = World::new();
    world.host.ephemeral = 40_000..=40_007;
    world
}

/// The world after all wishes, and what was refused; `each` sees every change.
fn grow(
    wishes: Vec<Wish>,
    mut each: impl FnMut(&World, &Delta) -> Result<(), TestCaseError>,
) -> Result<(World, Vec<Refused>), TestCaseError> {
    let (mut world, mut refused) = (world(), Vec::new());
    for wish in wishes {
        let Some(request) = request(&world.model, wish) else { continue };
        match world.decide(std::slice::from_ref(&request)) {
            Ok((delta, _)) => {
                each(&world, &delta)?;
                world.one(request).expect("what was decided once is decided again");
            }
            Err(error) => refused.push(error),
        }
    }
    Ok((world, refused))
}

/// Whether all items differ.
fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

fn nothing_is_held_twice(model: &Model) -> Result<(), TestCaseError> {
    prop_assert!(distinct(model.networks().map(|network| &network.name)));
    prop_assert!(distinct(model.endpoints().map(|endpoint| (endpoint.network, &endpoint.name))));
    let macs = model.endpoints().filter_map(|endpoint| Some((endpoint.network, endpoint.mac?)));
    prop_assert!(distinct(macs));
    let held = model.endpoints().flat_map(|endpoint| endpoint.addresses());
    let gateways =
        model.networks().flat_map(|network| network.ipam.all()).filter_map(|subnet| subnet.gateway);
    prop_assert!(
        distinct(held.chain(gateways)),
        "no two pools overlap, so no address is held twice anywhere"
    );
    let interfaces = model.endpoints().filter_map(|endpoint| {
        endpoint.interface().filter(|name| !name.is_empty()).map(|name| (endpoint.sandbox(), name))
    });
    prop_assert!(distinct(interfaces));
    let mut ports: Vec<_> = model.sandboxes().flat_map(|sandbox| &sandbox.ports).collect();
    while let Some(a) = ports.pop() {
        let meets = |b: &&&cnm::PortBinding| {
            let wild = a.host_address.is_unspecified() || b.host_address.is_unspecified();
            let family = Family::of(&a.host_address) == Family::of(&b.host_address);
            a.proto == b.proto
                && (a.host_address == b.host_address || (wild && family))
                && a.host.start() <= b.host.end()
                && b.host.start() <= a.host.end()
        };
        prop_assert_eq!(ports.iter().find(meets), None, "clashes with {:?}", a);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn indexes_follow_the_entities(wishes in wishes()) {
        grow(wishes, |world, delta| {
            prop_assert!(world.model.apply(delta).is_consistent());
            Ok(())
        })?;
    }

    #[test]
    fn no_name_address_port_or_mac_is_held_twice(wishes in wishes()) {
        grow(wishes, |world, delta| nothing_is_held_twice(&world.model.apply(delta)))?;
    }

    #[test]
    fn a_change_and_its_inverse_change_nothing(wishes in wishes()) {
        grow(wishes, |world, delta| {
            let back = world.model.apply(delta).apply(&delta.inverse(&world.model));
            prop_assert_eq!(&back, &world.model);
            prop_assert!(back.is_consistent());
            prop_assert_eq!(delta.is_empty(), world.model.apply(delta) == world.model);
            Ok(())
        })?;
    }

    #[test]
    fn living_interfaces_keep_their_names_and_their_order(wishes in wishes()) {
        grow(wishes, |world, delta| {
            let next = world.model.apply(delta);
            for endpoint in delta.endpoints.values().flatten() {
                let Some(sandbox) = endpoint.sandbox() else { continue };
                let before = world.model.endpoint(&endpoint.id).filter(|before| before.sandbox() == Some(sandbox));
                if let Some(before) = before {
                    prop_assert_eq!(&endpoint.attachment, &before.attachment);
                    continue;
                }
                let last = next.endpoints_of_sandbox(sandbox).next_back().map(|last| last.id);
                prop_assert_eq!(last, Some(endpoint.id), "who joins is the last");
                let taken: BTreeSet<_> =
                    world.model.endpoints_of_sandbox(sandbox).filter_map(|other| other.interface()).collect();
                let lowest = (0..).map(|number| format!("eth{number}")).find(|name| !taken.contains(name.as_str()));
                if next.network_of(endpoint).bridge().is_some() {
                    prop_assert_eq!(endpoint.interface(), lowest.as_deref());
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn decisions_are_deterministic(wishes in wishes()) {
        let (one, refusals) = grow(wishes.clone(), |_, _| Ok(()))?;
        let (other, same) = grow(wishes, |_, _| Ok(()))?;
        prop_assert_eq!(one.model, other.model);
        prop_assert_eq!(refusals, same);
    }

    #[test]
    fn several_requests_are_one_change_or_none(before in wishes(), then in prop::collection::vec(wish(), 1..6)) {
        let (mut world, _) = grow(before, |_, _| Ok(()))?;
        let requests: Vec<_> = then.into_iter().filter_map(|wish| request(&world.model, wish)).collect();
        let all = world.decide(&requests);
        let start = world.model.clone();
        if let Ok((delta, created)) = all {
            let touched: BTreeSet<_> = delta.touched().collect();
            prop_assert_eq!(touched.len(), delta.touched().count());
            prop_assert!(created.len() <= requests.len());
            world.model = start.apply(&delta);
            prop_assert!(world.model.is_consistent());
            nothing_is_held_twice(&world.model)?;
        }
    }

    #[test]
    fn removing_everything_leaves_nothing(wishes in wishes()) {
        let (mut world, _) = grow(wishes, |_, _| Ok(()))?;
        let sandboxes: Vec<_> = sandboxes(&world.model).map(Request::DeleteSandbox).collect();
        world.all(&sandboxes).expect("sandboxes go");
        let endpoints: Vec<_> = endpoints(&world.model).map(Request::DeleteEndpoint).collect();
        world.all(&endpoints).expect("endpoints go");
        let own = world.model.networks().filter(|network| !network.is_predefined());
        let networks: Vec<_> = own.map(|network| Request::DeleteNetwork(network.id)).collect();
        world.all(&networks).expect("networks go");
        let mut rest = Delta::default();
        rest.networks.extend(self::networks(&world.model).map(|id| (id, None)));
        prop_assert!(world.model.apply(&rest).is_empty());
    }

    #[test]
    fn the_kernel_can_do_what_was_decided(wishes in wishes()) {
        let mut kernel = FakeKernel::holding(kernel_state(&world().model));
        let (world, _) = grow(wishes, |world, delta| {
            let next = world.model.apply(delta);
            prop_assert_eq!(apply(&mut kernel, &kernel_state(&world.model), &kernel_state(&next)), Ok(()));
            Ok(())
        })?;
        prop_assert_eq!(reconcile(&mut kernel, &kernel_state(&world.model)), Ok(0));
    }

    #[test]
    fn nothing_a_user_writes_makes_it_panic(
        texts in prop::collection::vec("[0-9./:,=a-fIFNAME net-]{0,24}|\\PC{0,12}", 8),
        v6 in any::<bool>(),
        option in prop::sample::select(OPTIONS.to_vec()),
    ) {
        let text = |n: usize| texts[n].clone();
        let auxiliary = [(text(0), text(1))].into();
        let pools = vec![PoolForm { subnet: text(2), range: text(3), gateway: text(4), auxiliary }];
        let options = [(option.to_owned(), text(5))].into();
        let form = NetworkForm { name: text(6), v6: Some(v6), pools, options, ..NetworkForm::default() };
        if let Ok(spec) = NetworkSpec::parse(form) {
            drop(world().one(Request::CreateNetwork(spec)));
        }
        let world = world();
        let bridge = world.model.network_by_name("bridge").expect("a network");
        let form = EndpointForm {
            v4: text(0),
            v6: text(1),
            link_local: vec![text(2)],
            mac: text(3),
            driver_options: [(option.to_owned(), text(4))].into(),
            ..EndpointForm::default()
        };
        drop(EndpointSettings::parse(form, bridge));
        let form = PortForm { container: text(0), host_address: text(1), host: text(2) };
        drop(PortMapping::parse(&form));
        drop(extra_host(&text(3), &[]));
        drop(world.model.find_network(&text(4)).map(|network| network.id));
    }

    #[test]
    fn records_say_all(wishes in wishes()) {
        let (world, _) = grow(wishes, |_, _| Ok(()))?;
        let text = |value: serde_json::Result<String>| value.expect("a record is JSON");
        let networks = world.model.networks().map(|network| text(serde_json::to_string(&NetworkRecord::from(&**network))));
        let sandboxes = world.model.sandboxes().map(|sandbox| text(serde_json::to_string(&SandboxRecord::from(&**sandbox))));
        let endpoints = world.model.endpoints().map(|endpoint| text(serde_json::to_string(&EndpointRecord::from(&**endpoint))));
        let loaded = Model::load(
            networks.map(|text| serde_json::from_str(&text).expect("a network")),
            sandboxes.map(|text| serde_json::from_str(&text).expect("a sandbox")),
            endpoints.map(|text| serde_json::from_str(&text).expect("an endpoint")),
        );
        prop_assert_eq!(loaded, Ok(world.model));
    }
}
