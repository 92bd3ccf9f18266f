//! Names of interfaces over random sequences of connections, disconnections and restarts.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use testkit::Machine;

const NETWORKS: [&str; 5] = ["zeta", "alpha", "mid", "beta", "omega"];
const STEPS: usize = 40;

/// What a container's interfaces must be called.
#[derive(Debug, Default)]
struct Expected {
    /// In the order of connecting, the mode's first.
    networks: Vec<&'static str>,
    /// While it runs.
    interfaces: Option<BTreeMap<&'static str, usize>>,
}

impl Expected {
    fn connect(&mut self, network: &'static str) {
        self.networks.push(network);
        // The mode's network takes its place again.
        self.networks.sort_by_key(|name| *name != NETWORKS[0]);
        if let Some(interfaces) = &mut self.interfaces {
            let free = (0..).find(|number| !interfaces.values().any(|taken| taken == number));
            interfaces.extend(free.map(|number| (network, number)));
        }
    }

    fn disconnect(&mut self, network: &str) {
        self.networks.retain(|name| *name != network);
        if let Some(interfaces) = &mut self.interfaces {
            interfaces.remove(network);
        }
    }

    fn start(&mut self) {
        self.interfaces =
            Some(self.networks.iter().enumerate().map(|(number, name)| (*name, number)).collect());
    }
}

/// Which network is on which interface, by their MAC addresses.
fn found(machine: &Machine) -> Result<BTreeMap<String, String>> {
    let links = machine.docker("exec web ip -o link").ok()?;
    let networks = machine.inspect("web")?["NetworkSettings"]["Networks"].clone();
    let mut found = BTreeMap::new();
    for (network, shown) in networks.as_object().context("no networks")? {
        let mac = shown["MacAddress"].as_str().context("no MAC")?;
        let line =
            links.lines().find(|line| line.contains(mac)).with_context(|| format!("{mac}: {links}"))?;
        let name = line.split(": ").nth(1).context("no name")?;
        found.insert(network.clone(), name.split('@').next().unwrap_or_default().to_owned());
    }
    Ok(found)
}

/// Numbers that look random enough: SplitMix64.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((z ^ (z >> 27)) % 1000).unwrap_or_default()
}

#[test]
fn interfaces_keep_their_names_and_their_order() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    for network in NETWORKS {
        machine.docker(&format!("network create {network}")).ok()?;
    }
    machine.docker(&format!("run -d --name web --network {} busybox sleep 1000", NETWORKS[0])).ok()?;
    let mut expected = Expected::default();
    expected.connect(NETWORKS[0]);
    expected.start();
    let mut state = 11;
    for step in 0..STEPS {
        let network = NETWORKS[next(&mut state) % NETWORKS.len()];
        let what = match next(&mut state) % 10 {
            0 => {
                machine.docker("restart -t 0 web").ok()?;
                expected.start();
                "restart".to_owned()
            }
            1 => {
                machine.kill_engine()?;
                machine.start_engine()?;
                "a new engine".to_owned()
            }
            2 if expected.interfaces.is_some() => {
                machine.docker("stop -t 0 web").ok()?;
                expected.interfaces = None;
                "stop".to_owned()
            }
            2 => {
                machine.docker("start web").ok()?;
                expected.start();
                "start".to_owned()
            }
            _ if expected.networks.contains(&network) => {
                machine.docker(&format!("network disconnect {network} web")).ok()?;
                expected.disconnect(network);
                format!("disconnect {network}")
            }
            _ => {
                machine.docker(&format!("network connect {network} web")).ok()?;
                expected.connect(network);
                format!("connect {network}")
            }
        };
        let Some(interfaces) = &expected.interfaces else { continue };
        let wanted: BTreeMap<_, _> =
            interfaces.iter().map(|(name, number)| ((*name).to_owned(), format!("eth{number}"))).collect();
        let found = found(&machine)?;
        ensure!(found == wanted, "step {step}, {what}: {found:?}, not {wanted:?}");
    }
    machine.agree()
}
