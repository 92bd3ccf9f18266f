//! Requests that are well-formed HTTP.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{Wrong, furnished, refused, unharmed};

/// Names that nothing has, and drivers and options that nobody knows.
const UNKNOWN: &[Wrong] = &[
    ("GET", "/containers/nobody/json", "", 404, "No such container: nobody"),
    ("POST", "/containers/nobody/start", "", 404, "No such container: nobody"),
    ("POST", "/containers/nobody/stop", "", 404, "No such container: nobody"),
    ("POST", "/containers/nobody/kill", "", 404, "No such container: nobody"),
    ("POST", "/containers/nobody/wait", "", 404, "No such container: nobody"),
    ("POST", "/containers/nobody/exec", r#"{"Cmd":["x"]}"#, 404, "No such container: nobody"),
    ("POST", "/containers/nobody/rename?name=other", "", 404, "No such container: nobody"),
    ("POST", "/containers/nobody/update", "{}", 404, "No such container: nobody"),
    ("GET", "/containers/nobody/logs?stdout=1", "", 404, "No such container: nobody"),
    ("GET", "/containers/nobody/top", "", 404, "No such container: nobody"),
    ("GET", "/containers/nobody/stats", "", 404, "No such container: nobody"),
    ("DELETE", "/containers/nobody", "", 404, "No such container: nobody"),
    ("GET", "/exec/nobody/json", "", 404, "No such exec instance: nobody"),
    ("POST", "/exec/nobody/start", "{}", 404, "No such exec instance: nobody"),
    ("GET", "/networks/nowhere", "", 404, "network nowhere not found"),
    ("DELETE", "/networks/nowhere", "", 404, "network nowhere not found"),
    ("DELETE", "/networks/now/here", "", 404, "network now/here not found"),
    ("POST", "/networks/nowhere/connect", r#"{"Container":"web"}"#, 404, "network nowhere not found"),
    ("POST", "/networks/site/connect", r#"{"Container":"nobody"}"#, 404, "No such container: nobody"),
    ("POST", "/networks/site/disconnect", r#"{"Container":"nobody"}"#, 404, "No such container: nobody"),
    ("GET", "/images/nothing/json", "", 404, "No such image: nothing:latest"),
    ("DELETE", "/images/nothing", "", 404, "No such image: nothing:latest"),
    ("POST", "/images/nothing/tag?repo=x", "", 404, "No such image: nothing:latest"),
    ("GET", "/images/nothing/history", "", 404, "No such image: nothing:latest"),
    ("GET", "/volumes/nothing", "", 404, "get nothing: no such volume"),
    ("DELETE", "/volumes/nothing", "", 404, "get nothing: no such volume"),
    ("POST", "/containers/create", r#"{"Image":"nothing"}"#, 404, "No such image: nothing:latest"),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","Driver":"nope"}"#,
        404,
        "could not find plugin nope in v1 plugin registry: plugin not found",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","Options":{"com.docker.network.bridge.nope":"x"}}"#,
        400,
        r#"unknown option "com.docker.network.bridge.nope" of the bridge driver"#,
    ),
    (
        "POST",
        "/volumes/create",
        r#"{"Name":"new","Driver":"nope"}"#,
        404,
        r#"create new: error looking up volume plugin nope: plugin "nope" not found"#,
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"LogConfig":{"Type":"nope"}}}"#,
        400,
        "logger: no log driver named 'nope' is registered",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"IpcMode":"nope"}}"#,
        400,
        "invalid IPC mode: nope",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"Runtime":"nope"}}"#,
        400,
        "unknown or invalid runtime name: nope",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"CapAdd":["NOPE"]}}"#,
        400,
        r#"invalid CapAdd: unknown capability: "CAP_NOPE""#,
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"SecurityOpt":["nope"]}}"#,
        400,
        r#"invalid --security-opt: "nope""#,
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"RestartPolicy":{"Name":"nope"}}}"#,
        400,
        "invalid restart policy: unknown policy 'nope'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"netns:/no/such"}}"#,
        400,
        "invalid network mode netns:/no/such: there is no such file",
    ),
    ("POST", "/containers/web/kill?signal=NOPE", "", 400, "invalid signal: NOPE"),
    ("POST", "/containers/web/wait?condition=nope", "", 400, r#"invalid condition: "nope""#),
];

#[test]
fn what_nobody_knows_is_said_so() -> Result<()> {
    let (machine, before) = furnished()?;
    refused(&machine, UNKNOWN)?;
    unharmed(&machine, &before)
}

/// What somebody else has.
const TAKEN: &[Wrong] = &[
    ("POST", "/networks/create", r#"{"Name":"site"}"#, 409, "network with name site already exists"),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"host"}"#,
        403,
        "operation is not permitted on predefined host network ",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","IPAM":{"Config":[{"Subnet":"10.5.0.0/25"}]}}"#,
        403,
        "invalid pool request: Pool overlaps with other one on this address space",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","Options":{"com.docker.network.bridge.name":"wire"}}"#,
        403,
        "cannot create network (wire): conflicts with a link of the host that has the same name and is not this engine's",
    ),
    ("DELETE", "/networks/site", "", 403, "network site has active endpoints (name:\"web\" id:\"@\")"),
    ("DELETE", "/networks/bridge", "", 403, "bridge is a pre-defined network and cannot be removed"),
    (
        "POST",
        "/containers/idle/rename?name=web",
        "",
        409,
        "Conflict. The container name \"/web\" is already in use by container \"@\". You have to remove (or rename) that container to be able to reuse that name.",
    ),
    (
        "DELETE",
        "/images/busybox",
        "",
        409,
        "conflict: unable to remove repository reference \"busybox\" (must force) - container @ is using its referenced image @",
    ),
    ("DELETE", "/volumes/data", "", 409, "remove data: volume is in use - [@]"),
    (
        "DELETE",
        "/containers/web",
        "",
        409,
        "cannot remove container \"/web\": container is running: stop the container before removing or force remove",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"site"},"NetworkingConfig":{"EndpointsConfig":{"site":{"IPAMConfig":{"IPv4Address":"10.5.0.9"}}}}}"#,
        403,
        "Address already in use",
    ),
];

#[test]
fn what_somebody_has_stays_theirs() -> Result<()> {
    let (machine, before) = furnished()?;
    refused(&machine, TAKEN)?;
    let taken = machine.docker("create --name web busybox");
    ensure!(taken.stderr.contains("Conflict. The container name \"/web\" is already in use"), "{taken:?}");
    for (port, why) in [
        ("8080", "Bind for 0.0.0.0:8080 failed: port is already allocated"),
        ("9090", "address already in use"),
    ] {
        let listener = machine.listen(testkit::Place::Host, "0.0.0.0:9090")?;
        let refused = machine.docker(&format!("run --rm --network site -p {port}:80 busybox true"));
        drop(listener);
        ensure!(refused.code == 125 && refused.stderr.contains(why), "{refused:?}");
    }
    unharmed(&machine, &before)
}

/// Bodies that are no requests; one that needs another type is sent by hand below.
const MALFORMED: &[Wrong] = &[
    ("POST", "/networks/create", "{", 400, "invalid JSON: unexpected EOF"),
    (
        "POST",
        "/networks/create",
        "nonsense",
        400,
        "invalid JSON: invalid character 'o' in literal null (expecting 'u')",
    ),
    (
        "POST",
        "/networks/create",
        "[]",
        400,
        "invalid JSON: json: cannot unmarshal array into Go value of type network.CreateRequest",
    ),
    (
        "POST",
        "/networks/create",
        r#""text""#,
        400,
        "invalid JSON: json: cannot unmarshal string into Go value of type network.CreateRequest",
    ),
    ("POST", "/networks/create", "{}{}", 400, "unexpected content after JSON"),
    ("POST", "/networks/create", "{}", 400, "invalid name: name is empty"),
    ("POST", "/networks/create", "", 400, "invalid name: name is empty"),
    (
        "POST",
        "/networks/create",
        r#"{"Name":7}"#,
        400,
        "invalid JSON: json: cannot unmarshal number into Go struct field CreateRequest.Name of type string",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","Internal":"yes"}"#,
        400,
        "invalid JSON: json: cannot unmarshal string into Go struct field CreateRequest.Internal of type bool",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","IPAM":{"Config":{}}}"#,
        400,
        "invalid JSON: json: cannot unmarshal object into Go struct field IPAM.IPAM.Config of type []network.IPAMConfig",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","IPAM":{"Config":[{"Subnet":"x"}]}}"#,
        400,
        "invalid network config:\ninvalid subnet x: invalid CIDR block notation",
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"new","Options":{"com.docker.network.driver.mtu":"-1"}}"#,
        400,
        r#"failed to parse com.docker.network.driver.mtu value: "-1" (not a size from 68 to 65535)"#,
    ),
    ("POST", "/networks/site/connect", "", 400, r#"invalid name or ID supplied: """#),
    ("POST", "/networks/site/connect", "{}", 400, r#"invalid name or ID supplied: """#),
    (
        "POST",
        "/networks/site/connect",
        r#"{"Container":["web"]}"#,
        400,
        "invalid JSON: json: cannot unmarshal array into Go struct field ConnectRequest.Container of type string",
    ),
    (
        "POST",
        "/networks/site/connect",
        r#"{"Container":"idle","EndpointConfig":{"GwPriority":1e99}}"#,
        400,
        "invalid JSON: json: cannot unmarshal number 1e+99 into Go struct field EndpointSettings.EndpointConfig.GwPriority of type int64",
    ),
    ("POST", "/containers/create", "", 400, "invalid JSON: got EOF while reading request body"),
    ("POST", "/containers/create", "{}", 400, "config cannot be empty in order to create a container"),
    ("POST", "/containers/create", "null", 400, "config cannot be empty in order to create a container"),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","Cmd":[1]}"#,
        400,
        "invalid JSON: json: cannot unmarshal array into Go value of type string",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"Memory":"much"}}"#,
        400,
        "invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.Memory of type int64",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"Memory":1}}"#,
        400,
        "Minimum memory limit allowed is 6MB",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"PortBindings":{"x/y":[]}}}"#,
        400,
        r#"invalid port specification: "x/y""#,
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"99999"}]}}}"#,
        400,
        r#"invalid port specification: "99999""#,
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"Binds":["::"]}}"#,
        400,
        "invalid volume specification: '::'",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"Dns":["x"]}}"#,
        400,
        "invalid DNS address: x",
    ),
    (
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","Env":["=x"]}"#,
        400,
        r#"invalid environment variable: "=x""#,
    ),
    (
        "POST",
        "/containers/create?name=a%2fb",
        r#"{"Image":"busybox"}"#,
        400,
        "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    ),
    ("POST", "/containers/web/exec", "", 400, "No exec command specified"),
    ("POST", "/containers/web/exec", "{}", 400, "No exec command specified"),
    (
        "POST",
        "/containers/web/exec",
        r#"{"Cmd":["ls"],"DetachKeys":"ctrl-"}"#,
        400,
        "Unknown character: 'ctrl-'",
    ),
    (
        "POST",
        "/containers/web/update",
        r#"{"Memory":"x"}"#,
        400,
        "invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.Memory of type int64",
    ),
    ("POST", "/containers/web/resize?h=x&w=1", "", 400, r#"strconv.ParseUint: parsing "x": invalid syntax"#),
    ("POST", "/containers/web/stop?t=soon", "", 400, r#"strconv.Atoi: parsing "soon": invalid syntax"#),
    ("POST", "/containers/idle/rename", "", 400, "Neither old nor new names may be empty"),
    (
        "POST",
        "/containers/idle/rename?name=%2F..%2Fx",
        "",
        400,
        "Error when allocating new name: Invalid container name (../x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    ),
    (
        "POST",
        "/volumes/create",
        r#"{"Name":"../x"}"#,
        400,
        r#"create ../x: "../x" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path"#,
    ),
    (
        "POST",
        "/images/busybox/tag?repo=UPPER",
        "",
        400,
        "invalid reference format: repository name (library/UPPER) must be lowercase",
    ),
    ("POST", "/images/busybox/tag?repo=x&tag=a%20b", "", 400, "invalid reference format"),
    ("POST", "/images/busybox/tag", "", 400, "invalid reference format"),
    (
        "POST",
        "/images/create?fromSrc=-&repo=UPPER",
        "",
        400,
        "invalid reference format: repository name (library/UPPER) must be lowercase",
    ),
    ("POST", "/images/create?fromSrc=-&changes=NOPE", "", 400, "NOPE requires at least one argument"),
];

#[test]
fn what_is_no_request_is_refused() -> Result<()> {
    let (machine, before) = furnished()?;
    refused(&machine, MALFORMED)?;
    unharmed(&machine, &before)
}

/// Paths, methods, versions and filters that do not exist.
const NOWHERE: &[Wrong] = &[
    ("GET", "/", "", 404, "page not found"),
    ("GET", "/nope", "", 404, "page not found"),
    ("POST", "/networks", "", 404, "page not found"),
    ("PUT", "/networks/site", "", 404, "page not found"),
    ("POST", "/networks/site", "", 404, "page not found"),
    ("POST", "/networks/site/nope", "", 404, "page not found"),
    ("DELETE", "/containers/web/json", "", 404, "page not found"),
    ("GET", "/containers/create", "", 404, "page not found"),
    ("PATCH", "/info", "", 404, "page not found"),
    ("NOPE", "/info", "", 404, "page not found"),
    ("GET", "/v1.44", "", 404, "page not found"),
    ("GET", "/v1.x/info", "", 404, "page not found"),
    ("GET", "/vx/info", "", 404, "page not found"),
    ("GET", "/v1.44/v1.44/info", "", 404, "page not found"),
    ("GET", "/v99999999999.1/info", "", 404, "page not found"),
    (
        "GET",
        "/v1.23/info",
        "",
        400,
        "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    ),
    ("GET", "/v1.99/info", "", 400, "client version 1.99 is too new. Maximum supported API version is 1.56"),
    ("GET", "/v2.0/info", "", 400, "client version 2.0 is too new. Maximum supported API version is 1.56"),
    ("GET", "/networks?filters=nope", "", 400, "invalid filter"),
    ("GET", "/networks?filters={}{}", "", 400, "invalid filter"),
    ("GET", "/networks?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D", "", 400, "invalid filter 'nope'"),
    (
        "GET",
        "/networks?filters=%7B%22dangling%22%3A%5B%22x%22%5D%7D",
        "",
        400,
        "invalid filter 'dangling=[x]'",
    ),
    ("GET", "/containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D", "", 400, "invalid filter 'nope'"),
    (
        "GET",
        "/containers/json?filters=%7B%22status%22%3A%5B%22x%22%5D%7D",
        "",
        400,
        "invalid filter 'status=[x]'",
    ),
    ("GET", "/containers/json?limit=x", "", 400, r#"strconv.Atoi: parsing "x": invalid syntax"#),
    ("GET", "/images/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D", "", 400, "invalid filter 'nope'"),
    ("GET", "/volumes?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D", "", 400, "invalid filter 'nope'"),
    ("GET", "/events?until=1&filters=%7B%22nope%22%3A%5B%22x%22%5D%7D", "", 400, "invalid filter 'nope'"),
    ("POST", "/networks/prune?filters=%7B%22name%22%3A%5B%22x%22%5D%7D", "", 400, "invalid filter 'name'"),
    ("GET", "/networks/site?verbose=perhaps", "", 400, "invalid value for verbose: perhaps"),
];

#[test]
fn what_leads_nowhere_is_said_so() -> Result<()> {
    let (machine, before) = furnished()?;
    refused(&machine, NOWHERE)?;
    unharmed(&machine, &before)
}

/// Docker takes any name for a network; whatever it is, the network can be reached.
#[test]
fn networks_are_reached_whatever_their_names_are() -> Result<()> {
    let (machine, before) = furnished()?;
    for name in ["a/b", "a/b/connect", "/", "create", "prune", "ü x", "a%2fb?c#d", "..", "a'b\"c"] {
        let id = machine.call("POST", "/networks/create", &json!({ "Name": name }).to_string())?.ok()?;
        let id = id["Id"].as_str().unwrap_or_default();
        machine.tombolo(&format!("network connect {id} idle")).ok()?;
        let quoted = format!("'{}'", name.replace('\'', r"'\''"));
        let shown =
            machine.tombolo(&format!("network inspect -f '{{{{.Name}}}} {{{{.Id}}}}' {quoted}")).ok()?;
        ensure!(shown == format!("{name} {id}"), "{shown}");
        machine.tombolo(&format!("network disconnect {quoted} idle")).ok()?;
        machine.tombolo(&format!("network rm {quoted}")).ok()?;
    }
    // What Docker's own command line can write into a path.
    for name in ["a/b", "create", "prune", "a/b/connect"] {
        machine.docker(&format!("network create {name}")).ok()?;
        ensure!(machine.docker(&format!("network inspect -f '{{{{.Name}}}}' {name}")).ok()? == name);
        machine.docker(&format!("network connect {name} idle")).ok()?;
        machine.docker(&format!("network disconnect {name} idle")).ok()?;
        machine.docker(&format!("network rm {name}")).ok()?;
    }
    unharmed(&machine, &before)
}

#[test]
fn a_path_that_is_no_namespace_is_no_network() -> Result<()> {
    let (machine, before) = furnished()?;
    let refused = machine.docker("run --rm --network netns:/etc/passwd busybox true");
    let text = "invalid network mode netns:/etc/passwd: not a network namespace";
    ensure!(refused.code == 125 && refused.stderr.contains(text), "{refused:?}");
    let warned = machine.docker("run --rm --network netns:/run/netns/outside -p 80:80 busybox true");
    let text = "Published ports are discarded when using netns network mode";
    ensure!(warned.code == 0 && warned.stderr.contains(text), "{warned:?}");
    unharmed(&machine, &before)
}
