//! Which endpoints tell their neighbours where they are.

use cnm::{Delta, announce::Neighbours, controller::Request, spec::EndpointForm};

use crate::{
    steps::create,
    world::{World, network},
};

const COUNT: &str = "com.docker.network.advertise_addr_nmsgs";

/// A world, and what neighbours know in it.
struct Watched {
    world: World,
    neighbours: Neighbours,
}

impl Watched {
    fn new() -> Self {
        let world = World::new();
        Self { neighbours: Neighbours::of(&world.model), world }
    }

    /// The addresses that a change makes known.
    fn all(&mut self, requests: &[Request]) -> Vec<String> {
        let before = self.world.model.clone();
        let (delta, _): (Delta, _) = self.world.decide(requests).expect("decided");
        self.world.all(requests).expect("done");
        let due = self.neighbours.learn(&delta, &delta.inverse(&before), &self.world.model);
        due.iter().flat_map(|due| &due.addresses).map(ToString::to_string).collect()
    }

    /// An endpoint that comes, is told of, and goes.
    fn visit(&mut self, name: &str, network: &str, mac: &str) -> Vec<String> {
        let sandbox = self.world.sandbox(name);
        let form = EndpointForm { mac: mac.to_owned(), ..EndpointForm::default() };
        let endpoint = self.world.endpoint(name, self.world.id(network), form).expect("an endpoint");
        let told = self.all(&[Request::Join { endpoint, sandbox }]);
        self.all(&[Request::DeleteSandbox(sandbox), Request::DeleteEndpoint(endpoint)]);
        told
    }
}

#[test]
fn only_what_was_elsewhere_is_told() {
    let mut watched = Watched::new();
    watched.world.network("web", &["10.0.0.0/24", "fd00::/64"]);
    let nobody: [&str; 0] = [];
    assert_eq!(watched.visit("a", "web", ""), nobody, "nobody was there");
    assert_eq!(watched.visit("b", "web", ""), nobody, "the same MAC");
    assert_eq!(watched.visit("c", "web", "02:00:00:00:00:01"), ["10.0.0.2", "fd00::2"]);
    assert_eq!(watched.visit("d", "web", "02:00:00:00:00:01"), nobody);
    assert_eq!(watched.visit("e", "web", ""), ["10.0.0.2", "fd00::2"]);
    let web = watched.world.id("web");
    watched.all(&[Request::DeleteNetwork(web)]);
    watched.world.network("web", &["10.0.0.0/24", "fd00::/64"]);
    assert_eq!(watched.visit("f", "web", "02:00:00:00:00:02"), nobody, "another network");
}

#[test]
fn who_asks_for_it_tells_all_but_once() {
    let mut watched = Watched::new();
    for (name, count) in [("loud", "2"), ("still", "0")] {
        let spec = network(name, &[], |form| {
            form.options.insert(COUNT.to_owned(), count.to_owned());
        });
        watched.world.one(create(spec)).expect("a network");
    }
    assert_eq!(watched.visit("a", "loud", "").len(), 1);
    assert_eq!(watched.visit("a", "still", "").len(), 0);
    let sandbox = watched.world.sandbox("b");
    let endpoint = watched.world.joined("b", "loud", sandbox);
    let rename = Request::RenameEndpoint { endpoint, name: "c".to_owned(), dns_names: Vec::new() };
    assert_eq!(watched.all(&[rename]).len(), 0, "another name is no other place");
}
