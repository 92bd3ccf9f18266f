//! What is named and what is left.

use super::*;

fn mapping(container: &str, address: &str, host: &str) -> PortMapping {
    let form = super::super::PortForm {
        container: container.to_owned(),
        host_address: address.to_owned(),
        host: host.to_owned(),
    };
    PortMapping::parse(&form).expect("a mapping")
}

fn text(mapping: &PortMapping) -> String {
    let PortMapping { container, host_address, host } = mapping;
    let host = match host {
        HostPorts::Any => "any".to_owned(),
        HostPorts::Exact(range) => format!("{range:?}"),
        HostPorts::FirstFree(range) => format!("first of {range:?}"),
    };
    let address = host_address.map(|address| format!("{address} ")).unwrap_or_default();
    format!("{address}{host} -> {:?}/{}", container.range, container.proto)
}

#[track_caller]
fn check(removal: &str, mappings: &[PortMapping], bindings: &[PortBinding], expected: &[&str]) {
    let got = match PortRemoval::parse(removal).map(|removal| removal.remove(mappings, bindings)) {
        Ok(Ok(left)) => left.iter().map(text).collect(),
        Ok(Err(error)) => vec![error.to_string()],
        Err(error) => vec![error.to_string()],
    };
    assert_eq!(got, expected, "{removal}");
}

#[test]
fn ports_go_by_the_hosts_number_or_the_containers() {
    let two = [mapping("80", "", "8080"), mapping("80", "127.0.0.1", "8081"), mapping("53/udp", "", "8080")];
    check("8080", &two, &[], &["127.0.0.1 8081..=8081 -> 80..=80/tcp", "8080..=8080 -> 53..=53/udp"]);
    check("8080/udp", &two[2..], &[], &[]);
    check(":80", &two, &[], &["8080..=8080 -> 53..=53/udp"]);
    check("8081:80", &two[1..2], &[], &[]);
    check("127.0.0.1:8081", &two[1..2], &[], &[]);
    check("127.0.0.2:8081", &two, &[], &["port 127.0.0.2:8081 is not published"]);
    check("8080:81", &two, &[], &["port 8080:81 is not published"]);
    check("8082/tcp", &two, &[], &["port 8082/tcp is not published"]);
    check("[::1]:443:443/tcp", &[mapping("443", "::1", "443")], &[], &[]);
}

#[test]
fn ranges_lose_what_is_named() {
    let range = [mapping("9000-9009", "", "8000-8009")];
    check("8003-8004", &range, &[], &["8000..=8002 -> 9000..=9002/tcp", "8005..=8009 -> 9005..=9009/tcp"]);
    check(":9000", &range, &[], &["8001..=8009 -> 9001..=9009/tcp"]);
    check("7000-9000", &range, &[], &[]);
    let any = [mapping("80-82", "", "")];
    let bound = PortBinding {
        proto: Proto::Tcp,
        host_address: [0, 0, 0, 0].into(),
        host: 32768..=32770,
        container: 80..=82,
    };
    check("32769", &any, std::slice::from_ref(&bound), &["any -> 80..=80/tcp", "any -> 82..=82/tcp"]);
    check("32769", &any, &[], &["port 32769 is not published"]);
    let first = [mapping("80", "", "8000-8010")];
    check("8000-8010", &first, &[], &[]);
    check(":80", &first, &[], &[]);
}

#[test]
fn what_names_no_port_is_refused() {
    for bad in ["", ":", "x", "80/icmp", "0", "9-8", "127.0.0.1:", "80:x"] {
        check(bad, &[], &[], &[&format!("invalid port specification: \"{bad}\"")]);
    }
    check("[::x]:80", &[], &[], &["invalid IP address: [::x]"]);
}

#[test]
fn what_is_published_is_compared_with_what_is_asked_for() {
    let bound = |host: RangeInclusive<u16>, container: RangeInclusive<u16>| PortBinding {
        proto: Proto::Tcp,
        host_address: [0, 0, 0, 0].into(),
        host,
        container,
    };
    let exact = [mapping("80", "", "8080"), mapping("81", "", "8081")];
    assert!(are_published(&exact, &[bound(8080..=8081, 80..=81)]));
    assert!(are_published(&exact, &[bound(PortBinding::OPEN, 80..=81)]));
    assert!(!are_published(&exact, &[bound(8080..=8080, 80..=80)]));
    assert!(!are_published(&exact[..1], &[bound(8080..=8081, 80..=81)]));
    assert!(!are_published(&[], &[bound(8080..=8080, 80..=80)]));
    assert!(are_published(&[mapping("80", "", "")], &[bound(40000..=40000, 80..=80)]));
    assert!(!are_published(&[mapping("80", "", "1-9")], &[bound(40000..=40000, 80..=80)]));
}
