//! The network service on this kernel, in namespaces of the test's own.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use cnm::{
    DnsSettings, EndpointId, EndpointSettings, Namespace, NetworkId, SandboxId,
    controller::{Created, Request},
    spec::{EndpointSpec, NetworkForm, NetworkSpec, SandboxSpec},
};
use linux::{
    netns::{Netns, leave_host},
    nfnl::Nfnl,
    rtnl::Rtnl,
};
use net::{Config, DefaultNetwork, NetworkService};

/// Runs a test in namespaces that end with it, on a runtime that ends before them.
fn on_a_machine<F: Future<Output = ()>>(test: impl FnOnce(tempfile::TempDir) -> F + Send) {
    thread::scope(|scope| {
        let machine = scope.spawn(|| {
            leave_host().expect("root may have namespaces");
            let folder = tempfile::tempdir().expect("a folder");
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(test(folder));
        });
        machine.join().expect("the test passes");
    });
}

async fn start(folder: &Path) -> NetworkService {
    let config = Config {
        state: folder.join("state"),
        run: folder.join("run"),
        defaults: None,
        publish: cnm::driver::bridge::PublishDefault::All,
        default_network: DefaultNetwork::default(),
        dns_hosts: Vec::new(),
    };
    NetworkService::start(config).await.expect("a service")
}

async fn network(service: &NetworkService, name: &str) -> NetworkId {
    let spec = NetworkSpec::parse(NetworkForm { name: name.to_owned(), ..NetworkForm::default() });
    let outcome = service.change(vec![Request::CreateNetwork(spec.expect("a network"))]).await.expect("made");
    let [Created::Network(id)] = outcome.created[..] else { panic!("{:?}", outcome.created) };
    id
}

/// A sandbox on a network, as a container's start makes it.
fn join(network: NetworkId, number: u8) -> Vec<Request> {
    let (endpoint, sandbox) = (EndpointId::new([number; 32]), SandboxId::new([number; 32]));
    let owner = format!("owner {number}");
    vec![
        Request::CreateSandbox(SandboxSpec {
            id: Some(sandbox),
            owner: owner.clone(),
            namespace: Namespace::Own,
            dns: DnsSettings::default(),
            publish: vec![],
            exposed: vec![],
            ready: true,
            allow: Vec::new(),
        }),
        Request::CreateEndpoint(EndpointSpec {
            id: Some(endpoint),
            name: format!("e{number}"),
            network,
            owner,
            settings: EndpointSettings::default(),
        }),
        Request::Join { endpoint, sandbox },
    ]
}

fn address(service: &NetworkService, number: u8) -> Ipv4Addr {
    let model = service.model();
    model.endpoint(&EndpointId::new([number; 32])).expect("an endpoint").v4.expect("an address").addr()
}

/// Sends a datagram from one sandbox to another; says whether it arrived.
fn reaches(service: &NetworkService, from: u8, to: u8) -> bool {
    let socket = |number: u8| {
        let path = service.namespace(&SandboxId::new([number; 32]));
        let netns = Netns::open(&path).expect("a namespace");
        netns.enter(|| UdpSocket::bind("0.0.0.0:7000")).expect("entered").expect("bound")
    };
    let (sender, receiver) = (socket(from), socket(to));
    receiver.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let sent = sender.send_to(b"hello", SocketAddr::from((address(service, to), 7000)));
    sent.is_ok() && receiver.recv(&mut [0; 16]).is_ok()
}

fn links() -> Vec<String> {
    let links = Rtnl::open().expect("rtnetlink").link_list().expect("links");
    links.into_iter().map(|link| link.name).filter(|name| name != "lo").collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn two_sandboxes_meet_survive_a_restart_and_leave_nothing() {
    on_a_machine(|folder| async move {
        let service = start(folder.path()).await;
        assert_eq!(links(), ["p0"]);
        let web = network(&service, "web").await;
        service.change(join(web, 1)).await.expect("the first");
        service.change(join(web, 2)).await.expect("the second");
        assert!(reaches(&service, 1, 2));

        let model = service.model();
        service.close().await;
        let service = start(folder.path()).await;
        assert_eq!(service.model(), model);
        assert!(reaches(&service, 2, 1));

        let gone = [1, 2].map(|number| Request::DeleteSandbox(SandboxId::new([number; 32])));
        service.change(gone.into()).await.expect("both end");
        service.change(vec![Request::DeleteNetwork(web)]).await.expect("nobody is joined");
        until("only the default bridge is left", || links() == ["p0"]).await;
        service.close().await;
        assert!(links().is_empty(), "an engine that holds nothing leaves no links");
        let tables = Nfnl::open().expect("nf_tables").tables().expect("tables");
        assert!(tables.is_empty(), "nor rules: {tables:?}");
    });
}

#[test]
fn what_others_delete_is_back_within_a_second_and_packets_flow() {
    on_a_machine(|folder| async move {
        let service = start(folder.path()).await;
        let web = network(&service, "web").await;
        service.change(join(web, 1)).await.expect("the first");
        service.change(join(web, 2)).await.expect("the second");
        let veth = cnm::state::veth_name(&EndpointId::new([1; 32]));
        let index = |name: &str| {
            let link = Rtnl::open().expect("rtnetlink").link_by_name(name).expect("an answer");
            link.map(|link| link.index)
        };
        let before = index(&veth).expect("the veth");
        Rtnl::open().expect("rtnetlink").link_del(before).expect("anyone may delete a link");
        until("the veth is back", || index(&veth).is_some_and(|now| now != before)).await;
        until("packets flow", || reaches(&service, 2, 1)).await;
    });
}

#[test]
fn twenty_joins_at_once_on_four_networks() {
    on_a_machine(|folder| async move {
        let service = start(folder.path()).await;
        let mut networks = Vec::new();
        for name in ["a", "b", "c", "d"] {
            networks.push(network(&service, name).await);
        }
        let mut joins = tokio::task::JoinSet::new();
        for number in 1..=20_u8 {
            let (service, network) = (service.clone(), networks[usize::from(number % 4)]);
            joins.spawn(async move { service.change(join(network, number)).await });
        }
        for joined in joins.join_all().await {
            joined.expect("a join");
        }
        assert_eq!(links().len(), 1 + 4 + 20);
        assert!(reaches(&service, 4, 8));
        assert!(!reaches(&service, 4, 5), "networks are isolated");
    });
}
