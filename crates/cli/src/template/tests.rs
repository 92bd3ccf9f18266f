//! Templates as people write them, with what Docker prints.

use super::*;

const CONTAINER: &str = r#"{
    "Id": "0123456789abcdef", "Name": "/web", "Created": "2026-01-02T03:04:05.6Z",
    "State": {"Status": "running", "Running": true, "Pid": 4321, "ExitCode": 0, "Health": null},
    "Config": {"Cmd": ["httpd", "-f"], "Env": ["A=1", "B=2"], "Entrypoint": null, "Volumes": null,
        "Labels": {"com.example/role": "front", "b": "x"}, "Tty": false},
    "HostConfig": {"NanoCpus": 1500000000, "Binds": null},
    "NetworkSettings": {
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null},
        "Networks": {"one": {"IPAddress": "10.0.0.2", "Aliases": ["w"]}, "bridge": {"IPAddress": "172.17.0.2", "Aliases": null}}}
}"#;

#[track_caller]
fn check(template: &str, expected: &str) {
    let data: Value = serde_json::from_str(CONTAINER).expect("JSON");
    let filled = Template::parse(template).and_then(|template| template.fill(&data));
    assert_eq!(filled.as_deref(), Ok(expected), "{template}");
}

#[track_caller]
fn refused(template: &str, expected: &str) {
    let data: Value = serde_json::from_str(CONTAINER).expect("JSON");
    let error = Template::parse(template).and_then(|template| template.fill(&data)).expect_err(template);
    assert!(error.to_string().contains(expected), "{template}: {error}");
}

#[test]
fn fields() {
    check("{{.Id}} {{.ID}}", "0123456789abcdef 0123456789abcdef");
    check("{{.State.Pid}}{{ .State.Running }}", "4321true");
    check("{{.HostConfig.NanoCpus}}", "1500000000");
    check("{{.Config.Cmd}}", "[httpd -f]");
    check("{{.Config.Labels}}", "map[b:x com.example/role:front]");
    check("{{.Config.Entrypoint}} {{.Config.Volumes}} {{.State.Health}}", "[] map[] <nil>");
    check("{{(index .Config.Env 1)}} {{$.Name}}", "B=2 /web");
    check("{{(index .NetworkSettings.Networks \"one\").IPAddress}}", "10.0.0.2");
    check("no actions", "no actions");
    check("{{.}}x", &(serde_json::from_str::<Value>(CONTAINER).expect("JSON").to_string() + "x"));
}

#[test]
fn the_walk_through() {
    check("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "172.17.0.210.0.0.2");
    check(
        "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}} {{end}}",
        "bridge=172.17.0.2 one=10.0.0.2 ",
    );
    check("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080");
    check(
        "{{range $p, $conf := .NetworkSettings.Ports}}{{if $conf}}{{$p}} -> {{(index $conf 0).HostPort}}{{end}}{{end}}",
        "80/tcp -> 8080",
    );
    check("{{index .Config.Labels \"com.example/role\"}}", "front");
    check("{{index .Config.Labels \"none\"}}", "<no value>");
    check("{{json .Config.Cmd}}", r#"["httpd","-f"]"#);
    check("{{json .NetworkSettings.Networks.one}}", r#"{"IPAddress":"10.0.0.2","Aliases":["w"]}"#);
    check("{{join .Config.Cmd \" \"}}", "httpd -f");
}

#[test]
fn branches() {
    check("{{if .State.Running}}up{{else}}down{{end}}", "up");
    check("{{if .Config.Tty}}tty{{else if eq .State.Status \"running\"}}runs{{else}}not{{end}}", "runs");
    check("{{with .State.Health}}{{.Status}}{{else}}none{{end}}", "none");
    check("{{with .Config}}{{len .Env}}{{end}}", "2");
    check("{{if .Config.Healthcheck}}checked{{end}}{{.Config.StopSignal}}{{.Config.Healthcheck}}", "<nil>");
    check("{{with $x := .Name}}{{$x}}{{end}}", "/web");
    check("{{range .HostConfig.Binds}}{{.}}{{else}}no binds{{end}}", "no binds");
    check("{{range $i, $e := .Config.Env}}{{if $i}},{{end}}{{$e}}{{end}}", "A=1,B=2");
    check("{{range .Config.Env}}{{if eq . \"A=1\"}}{{continue}}{{end}}{{.}}{{end}}", "B=2");
    check("{{range .Config.Env}}{{.}}{{break}}{{end}}", "A=1");
    check("{{$n := 1}}{{range .Config.Env}}{{$n = 2}}{{end}}{{$n}}", "2");
}

#[test]
fn functions() {
    check("{{lower \"ABC\"}} {{upper .State.Status}} {{title \"ab cd\"}}", "abc RUNNING Ab Cd");
    check("{{.Name | printf \"%s:%d\" \"x\"}}", "x:%!d(string=/web)");
    check(
        "{{printf \"%s %d %v|%5d|%-5s|%05d|%q%%\" .Name .State.Pid .State.Running 7 \"a\" 42 \"b\"}}",
        "/web 4321 true|    7|a    |00042|\"b\"%",
    );
    check("{{println .Name 1}}", "/web 1\n");
    check("{{print 1 2 \"a\" 3}}", "1 2a3");
    check("{{eq 1 2 1}} {{ne .Name \"x\"}} {{lt 1 2}} {{ge 1 2}}", "true true true false");
    check("{{and .Name 0}} {{or \"\" \"b\"}} {{not .Config.Tty}} {{and true true}}", "0 b true true");
    check("{{or true (index .Config.Cmd 9)}}", "true");
    check(
        "{{len .Name}} {{slice .Id 0 12}} {{truncate .Id 3}} {{pad \"a\" 1 2}}|",
        "4 0123456789ab 012  a  |",
    );
    check("{{split \"a,b\" \",\"}} {{join (split \"a,b\" \",\") \"+\"}}", "[a b] a+b");
    check("{{json .State.Health}} {{.Config.Cmd | json}}", "null [\"httpd\",\"-f\"]");
    check("{{ `raw \"x\"` }}{{\"a\\tb\"}}", "raw \"x\"a\tb");
}

#[test]
fn white_space_and_comments() {
    check("a {{- \"b\" -}} c", "abc");
    check("a {{- /* no */ -}} c{{/* yes */}} d", "ac d");
    check("{{range .Config.Env -}}\n  {{.}}\n{{- end}}", "A=1B=2");
    check("{{ -3 }}", "-3");
}

#[test]
fn mistakes() {
    refused("{{.Nope}}", "map has no entry for key \"Nope\"");
    refused("{{.State.Health.Status}}", "nil pointer evaluating interface {}.Status");
    refused("{{.Name.First}}", "can't evaluate field First");
    refused("{{", "unclosed action");
    refused("{{.Name", "unclosed action");
    refused("{{if .Name}}", "unexpected EOF");
    refused("{{end}}", "unexpected {{end}}");
    refused("{{nope .Name}}", "function \"nope\" not defined");
    refused("{{\"a}}", "unterminated quoted string");
    refused("{{index .Config.Cmd 9}}", "index out of range: 9");
    refused("{{$x}}", "undefined variable \"$x\"");
    refused("{{}}", "missing value for command");
    refused("{{.Name \"x\"}}", "can't give argument");
}
