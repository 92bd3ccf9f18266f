//! The two engines, each on a machine of its own, behind the same API.

use std::{fmt, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use linux::netns::Netns;
use serde_json::{Value, json};
use testkit::{
    Machine, images,
    registry::{Guard, Registry},
};

use crate::{client::Client, docker::Docker, process};

/// The image that both engines load.
const IMAGE: &str = "busybox:latest";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Tombolo,
    Docker,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tombolo => "tombolo",
            Self::Docker => "dockerd",
        })
    }
}

/// A running engine and a connection to it.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) who: Who,
    pub(crate) client: Client,
    seat: Seat,
}

#[derive(Debug)]
enum Seat {
    Ours(Machine, Option<Registry>),
    Theirs(Docker),
}

impl Engine {
    /// Starts ours, with its data below `data`, or in memory.
    pub(crate) fn tombolo(binary: &Path, data: Option<&Path>) -> Result<Self> {
        let machine = Machine::without_engine(binary, &["--log-level", "warn"])?;
        if let Some(data) = data {
            let at = machine.data_root();
            let script = format!(
                "mkdir -p {at} && mount --bind {data} {at}",
                at = at.display(),
                data = data.display()
            );
            machine.sh(&script).ok()?;
        }
        machine.start_engine()?;
        let pid = machine.engine_pid().context("no engine")?;
        let socket = format!("/proc/{pid}/root{}", machine.socket().display());
        let client = Client::connect(Path::new(&socket))?;
        Self { who: Who::Tombolo, client, seat: Seat::Ours(machine, None) }.with_image()
    }

    /// Starts Debian's.
    pub(crate) fn docker(data: Option<&Path>) -> Result<Self> {
        let docker = Docker::start(data)?;
        let client = Client::connect(&docker.socket())?;
        Self { who: Who::Docker, client, seat: Seat::Theirs(docker) }.with_image()
    }

    fn with_image(mut self) -> Result<Self> {
        self.client.load(images::busybox(IMAGE)?)?;
        Ok(self)
    }

    /// Its version, as it says itself.
    pub(crate) fn version(&mut self) -> Result<String> {
        let answer = self.client.get("/version")?;
        Ok(answer["Version"].as_str().unwrap_or_default().to_owned())
    }

    /// What its processes hold, in bytes, without what runs in containers.
    pub(crate) fn memory(&self) -> u64 {
        process::memory(&self.pids())
    }

    /// How long its processes have worked.
    pub(crate) fn processor_time(&self) -> Duration {
        process::processor_time(&self.pids())
    }

    fn pids(&self) -> Vec<u32> {
        match &self.seat {
            Seat::Theirs(docker) => docker.pids(),
            Seat::Ours(machine, _) => machine.engine_pid().map(process::beside).unwrap_or_default(),
        }
    }

    /// What it has logged, for the message when it fails.
    pub(crate) fn log(&self) -> String {
        match &self.seat {
            Seat::Ours(machine, _) => machine.engine_log(),
            Seat::Theirs(docker) => docker.log(),
        }
    }

    /// Starts a registry on the engine's machine.
    pub(crate) fn serve_registry(&mut self, address: &str) -> Result<()> {
        match &mut self.seat {
            Seat::Ours(machine, registry) => {
                *registry = Some(machine.registry(address, Guard::default())?);
                Ok(())
            }
            Seat::Theirs(docker) => docker.serve_registry(address),
        }
    }

    /// Creates a container that sleeps, and returns its id.
    pub(crate) fn create(&mut self, network: &str, publish: Publish) -> Result<String> {
        let answer = self.client.post("/containers/create", &sleeper(network, publish))?;
        let id = answer["Id"].as_str().context("a container without an id")?;
        Ok(id.to_owned())
    }

    /// The network namespace it works in, which is a host to its containers.
    pub(crate) fn netns(&self) -> Result<Netns> {
        netns(*self.pids().first().context("no engine")?)
    }

    /// The network namespace of a running container.
    pub(crate) fn inside(&mut self, container: &str) -> Result<Netns> {
        let state = self.client.get(&format!("/containers/{container}/json"))?;
        let pid = state["State"]["Pid"].as_u64().context("a running container without a process")?;
        netns(u32::try_from(pid)?)
    }

    /// Starts a container.
    pub(crate) fn start(&mut self, container: &str) -> Result<()> {
        self.client.post(&format!("/containers/{container}/start"), &Value::Null).map(drop)
    }

    /// Stops a container without mercy and removes it.
    pub(crate) fn stop_and_remove(&mut self, container: &str) -> Result<()> {
        self.client.post(&format!("/containers/{container}/stop?t=0"), &Value::Null)?;
        self.client.delete(&format!("/containers/{container}"))
    }

    /// Removes all containers and our networks, whatever their state.
    pub(crate) fn sweep(&mut self) -> Result<()> {
        let containers = self.client.get("/containers/json?all=1")?;
        for id in containers.as_array().into_iter().flatten().filter_map(|entry| entry["Id"].as_str()) {
            self.client.delete(&format!("/containers/{id}?force=1"))?;
        }
        let networks = self.client.get("/networks")?;
        let names = networks.as_array().into_iter().flatten().filter_map(|entry| entry["Name"].as_str());
        for name in names.filter(|name| name.starts_with("bench")) {
            self.client.delete(&format!("/networks/{name}"))?;
        }
        Ok(())
    }
}

fn netns(pid: u32) -> Result<Netns> {
    Ok(Netns::open(Path::new(&format!("/proc/{pid}/ns/net")))?)
}

/// The first port of the host that is published.
pub(crate) const FIRST_PORT: u16 = 20_001;

/// What a container publishes, from [`FIRST_PORT`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    Nothing,
    /// So many ports of TCP, each to one of its own, as `-p 20001-21000:1-1000` does.
    Tcp(u16),
    /// The same of UDP.
    Udp(u16),
    /// So many ports of TCP over IPv4 that all lead to port 1, so that they are no range: each is
    /// held by a socket, and both families together would be more than a process may have.
    Single(u16),
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no ports"),
            Self::Tcp(1) => f.write_str("1 port"),
            Self::Tcp(count) | Self::Single(count) => write!(f, "{count} ports"),
            Self::Udp(count) => write!(f, "{count} UDP ports"),
        }
    }
}

impl Publish {
    /// How many ports of the host.
    pub(crate) fn count(self) -> u16 {
        match self {
            Self::Nothing => 0,
            Self::Tcp(count) | Self::Udp(count) | Self::Single(count) => count,
        }
    }

    /// The ports of the container with those of the host, as the API has it.
    fn bindings(self) -> serde_json::Map<String, Value> {
        let outer =
            (FIRST_PORT..).take(self.count().into()).map(|port| json!({ "HostPort": port.to_string() }));
        let each = |protocol: &'static str| (1..).map(move |port: u16| format!("{port}/{protocol}"));
        match self {
            Self::Single(_) => {
                let v4 = outer.map(|mut port| {
                    port["HostIp"] = json!("0.0.0.0");
                    port
                });
                [("1/tcp".to_owned(), v4.collect())].into_iter().collect()
            }
            Self::Udp(_) => each("udp").zip(outer.map(|port| json!([port]))).collect(),
            Self::Nothing | Self::Tcp(_) => each("tcp").zip(outer.map(|port| json!([port]))).collect(),
        }
    }
}

/// A container that sleeps and dies at once when it is stopped, so that no grace is measured.
fn sleeper(network: &str, publish: Publish) -> Value {
    let bindings = publish.bindings();
    let exposed: serde_json::Map<_, _> = bindings.keys().map(|port| (port.clone(), json!({}))).collect();
    json!({
        "Image": IMAGE,
        "Cmd": ["sleep", "1000000"],
        "StopSignal": "SIGKILL",
        "ExposedPorts": exposed,
        "HostConfig": { "NetworkMode": network, "PortBindings": bindings },
    })
}

/// Where the engines keep their data: on the disk the program itself is on. Gone when dropped.
#[derive(Debug)]
pub(crate) struct Disk(std::path::PathBuf);

impl Disk {
    /// A directory beside the program.
    pub(crate) fn beside(program: &Path) -> Result<Self> {
        let path = program.with_file_name(format!("bench-data-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// A directory on it.
    pub(crate) fn directory(&self, name: &str) -> Result<std::path::PathBuf> {
        let path = self.0.join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_publishes_what_it_exposes() {
        let two = sleeper("bridge", Publish::Tcp(2));
        assert_eq!(two["ExposedPorts"], json!({ "1/tcp": {}, "2/tcp": {} }));
        assert_eq!(two["HostConfig"]["PortBindings"]["2/tcp"], json!([{ "HostPort": "20002" }]));
        let bindings = |publish| sleeper("none", publish)["HostConfig"]["PortBindings"].clone();
        assert_eq!(bindings(Publish::Nothing), json!({}));
        assert_eq!(bindings(Publish::Udp(1)), json!({ "1/udp": [{ "HostPort": "20001" }] }));
        let at = |port| json!({ "HostIp": "0.0.0.0", "HostPort": port });
        let both = json!({ "1/tcp": [at("20001"), at("20002")] });
        assert_eq!(bindings(Publish::Single(2)), both);
    }
}
