//! Which sysctl could not be set: the library says only that one could not.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use linux::netns::Netns;
use runtime::oci;

use super::program::text;

/// The library's words where a sysctl does not exist, and where the kernel refuses its value.
const WORDS: [&str; 2] = ["open subpath in procfs failed", "failed to set sysctl"];

/// runc's sentence for the sysctl that made a container fail with `message`, if it can be found.
pub(super) fn refused(spec: &oci::Spec, message: &str) -> Option<String> {
    if !WORDS.iter().any(|words| message.contains(words)) {
        return None;
    }
    let linux = spec.linux().as_ref()?;
    let mut wanted: Vec<(&String, &String)> = linux.sysctl().as_ref()?.iter().collect();
    wanted.sort();
    let network = linux.namespaces().iter().flatten();
    let network = network.filter(|namespace| namespace.typ() == oci::LinuxNamespaceType::Network);
    let network = network.filter_map(|namespace| namespace.path().as_ref()).next();
    let ask = || wanted.iter().find_map(|(name, value)| sentence(name, value, network.is_some()));
    match network {
        Some(path) => Netns::open(path).ok()?.enter(ask).ok()?,
        None => ask(),
    }
}

/// Why one sysctl cannot be set. Those of the network are written, in the container's own stack; others are the
/// host's here and are only looked for.
fn sentence(name: &str, value: &str, is_own_stack: bool) -> Option<String> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    let tried = if name.starts_with("net.") && is_own_stack {
        OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(|error| (true, error))
            .and_then(|mut file| file.write_all(value.as_bytes()).map_err(|error| (false, error)))
    } else {
        path.symlink_metadata().map(drop).map_err(|error| (true, error))
    };
    let (is_open, error) = tried.err()?;
    let step = if is_open { "open" } else { "write" };
    Some(format!("write sysctl key {name}: {step} {}: {}", path.display(), text(&error)))
}
