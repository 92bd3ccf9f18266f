//! Texts that say which namespace a container has.

use api::host_config::HostConfig;
use engine::{NamespaceMode, Namespaces};

use crate::http::answer::Refusal;

/// The namespaces besides the network's.
pub(crate) fn namespaces(host: &HostConfig) -> Result<Namespaces, Refusal> {
    Ok(Namespaces {
        pid: mode(&host.pid_mode, "PID", &["host", "private", "container"])?,
        ipc: mode(&host.ipc_mode, "IPC", &["none", "private", "shareable", "host", "container"])?,
        uts: mode(&host.uts_mode, "UTS", &["host"])?,
        cgroup: mode(&host.cgroupns_mode, "cgroup namespace", &["private", "host"])?,
        user: mode(&host.userns_mode, "userns", &["host"])?,
    })
}

fn mode(text: &str, what: &str, accepted: &[&str]) -> Result<NamespaceMode, Refusal> {
    let invalid = || Refusal::invalid(format!("invalid {what} mode: {text}"));
    let kind = text.split(':').next().unwrap_or_default();
    if text.is_empty() {
        return Ok(NamespaceMode::Default);
    }
    if !accepted.contains(&kind) {
        return Err(invalid());
    }
    match text.split_once(':') {
        Some(("container", name)) if !name.is_empty() => Ok(NamespaceMode::Container(name.to_owned())),
        Some(_) => Err(invalid()),
        None => match text {
            "host" => Ok(NamespaceMode::Host),
            "private" => Ok(NamespaceMode::Private),
            "shareable" => Ok(NamespaceMode::Shareable),
            "none" => Ok(NamespaceMode::None),
            _ => Err(invalid()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_refused() {
        let accepted = ["none", "private", "host", "container"];
        assert_eq!(mode("", "IPC", &accepted).expect("default"), NamespaceMode::Default);
        assert_eq!(mode("host", "IPC", &accepted).expect("host"), NamespaceMode::Host);
        let joined = NamespaceMode::Container("web".to_owned());
        assert_eq!(mode("container:web", "IPC", &accepted).expect("joined"), joined);
        for wrong in ["x", "container", "container:", "host:x", "shareable"] {
            let error = mode(wrong, "IPC", &accepted).expect_err(wrong);
            assert_eq!(error.message, format!("invalid IPC mode: {wrong}"));
        }
    }
}
