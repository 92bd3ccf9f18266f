//! Joins two sandboxes without the engine: a model, five requests, one plan.

use std::sync::Arc;

use cnm::{
    DnsSettings, EndpointId, EndpointSettings, Model, Namespace, NetworkId, SandboxId,
    apply::apply,
    controller::{Context, Defaults, Host, Request, decide_all},
    fake::FakeKernel,
    names::{Question, View},
    plan::plan,
    spec::{EndpointSpec, NetworkForm, NetworkSpec, SandboxSpec},
    state::kernel_state,
};

#[expect(clippy::print_stdout, reason = "it shows what it does")]
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the world says: random bytes, the time, the host, the engine's settings.
    // A program that lives longer than an example draws its bytes from the system.
    let mut byte = 0_u8;
    let mut entropy = |bytes: &mut [u8]| bytes.fill_with(|| (byte, byte = byte.wrapping_add(1)).0);
    let (host, defaults) = (Host::default(), Defaults::new([1, 2, 3, 4, 5]));
    let mut context = Context { entropy: &mut entropy, now: 0, host: &host, defaults: &defaults };

    // A network with IPv4 and IPv6, two sandboxes, an endpoint in each: one change.
    let network = NetworkId::new([1; 32]);
    let form = NetworkForm { name: "web".to_owned(), v6: Some(true), ..NetworkForm::default() };
    let mut requests = vec![Request::CreateNetwork(NetworkSpec::parse(form)?.with_id(network))];
    for (number, name) in [(1, "server"), (2, "client")] {
        let (sandbox, endpoint) = (SandboxId::new([number; 32]), EndpointId::new([number; 32]));
        requests.push(Request::CreateSandbox(SandboxSpec {
            id: Some(sandbox),
            owner: name.to_owned(),
            namespace: Namespace::Own,
            dns: DnsSettings { hostname: name.to_owned(), ..DnsSettings::default() },
            publish: Vec::new(),
            exposed: Vec::new(),
            ready: true,
            allow: Vec::new(),
        }));
        requests.push(Request::CreateEndpoint(EndpointSpec {
            id: Some(endpoint),
            name: name.to_owned(),
            network,
            owner: name.to_owned(),
            settings: EndpointSettings { dns_names: vec![name.to_owned()], ..EndpointSettings::default() },
        }));
        requests.push(Request::Join { endpoint, sandbox });
    }
    let before = Model::default();
    let (delta, _) = decide_all(&before, &requests, &mut context)?;
    let after = before.apply(&delta);

    // What the kernel has to do for it, and a kernel that does it.
    let (from, to) = (kernel_state(&before), kernel_state(&after));
    println!("{}", plan(&from, &to));
    let mut kernel = FakeKernel::new();
    apply(&mut kernel, &from, &to)?;

    // What the client's resolver says.
    let (view, mut found) = (View::new(&Arc::new(after.clone()), &SandboxId::new([2; 32])), Vec::new());
    let question = Question::Addresses(cnm::Family::V4, "server");
    println!("server is {:?}", view.answer(&question, &mut found));

    // The way back is the same way.
    apply(&mut kernel, &to, &kernel_state(&after.apply(&delta.inverse(&before))))?;
    Ok(())
}
