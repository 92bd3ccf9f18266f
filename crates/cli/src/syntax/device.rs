//! `--device host[:container][:rwm]`.

use api::host_config::DeviceMapping;

use super::Malformed;

/// Reads a device.
pub(crate) fn parse(text: &str) -> Result<DeviceMapping, Malformed> {
    let is_mode = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let (source, target, mode) = match text.split(':').collect::<Vec<_>>().as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, mode] if is_mode(mode) => (*source, *source, *mode),
        [source, target] => (*source, *target, "rwm"),
        [source, target, mode] if is_mode(mode) => (*source, *target, *mode),
        _ => return Err(Malformed::new(format!("invalid device specification: {text}"))),
    };
    if !source.starts_with('/') || !target.starts_with('/') {
        return Err(Malformed::new(format!("invalid device specification: {text}: write absolute paths")));
    }
    Ok(DeviceMapping {
        path_on_host: source.to_owned(),
        path_in_container: target.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        for (text, expected) in [
            ("/dev/a", Some(("/dev/a", "/dev/a", "rwm"))),
            ("/dev/a:r", Some(("/dev/a", "/dev/a", "r"))),
            ("/dev/a:/dev/b", Some(("/dev/a", "/dev/b", "rwm"))),
            ("/dev/a:/dev/b:rw", Some(("/dev/a", "/dev/b", "rw"))),
            ("/dev/a:/dev/b:x", None),
            ("a", None),
            ("", None),
        ] {
            let device = parse(text).ok();
            let device = device.as_ref().map(|device| {
                let DeviceMapping { path_on_host, path_in_container, cgroup_permissions } = device;
                (path_on_host.as_str(), path_in_container.as_str(), cgroup_permissions.as_str())
            });
            assert_eq!(device, expected, "{text}");
        }
    }
}
