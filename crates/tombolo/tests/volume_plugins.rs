//! Drivers of volumes that are programs of others.

use std::{process::Child, time::Duration};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Output, until};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

/// A plugin that keeps volumes in directories and writes down what it is asked.
const PLUGIN: &str = r#"
import http.server, json, os, socketserver, sys, time
name, root = sys.argv[1], sys.argv[2]
socket, log = '/run/docker/plugins/%s.sock' % name, root + '/asked'
os.makedirs('/run/docker/plugins', exist_ok=True)
os.makedirs(root + '/volumes', exist_ok=True)
volumes = {}
def path(volume): return root + '/volumes/' + volume
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def address_string(self): return 'engine'
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers['Content-Length'])) or 'null') or {}
        method, volume = self.path.rpartition('.')[2], asked.get('Name')
        with open(log, 'a') as file: file.write('%s %s %s\n' % (method, volume, asked.get('ID', '')[:4]))
        answer = {}
        if method == 'Activate': answer = {'Implements': ['VolumeDriver']}
        elif method == 'Capabilities': answer = {'Capabilities': {'Scope': 'global'}}
        elif method == 'Create':
            if (asked.get('Opts') or {}).get('fail'): answer = {'Err': 'no room for ' + volume}
            else:
                volumes[volume] = asked.get('Opts') or {}
                os.makedirs(path(volume), exist_ok=True)
        elif method == 'List': answer = {'Volumes': [{'Name': v, 'Mountpoint': path(v)} for v in volumes]}
        elif volume not in volumes: answer = {'Err': 'no such volume'}
        elif method == 'Get': answer = {'Volume': {'Name': volume, 'Mountpoint': path(volume), 'Status': {'opts': len(volumes[volume])}}}
        elif method == 'Remove': del volumes[volume]
        elif method == 'Mount':
            if volumes[volume].get('slow'): time.sleep(float(volumes[volume]['slow']))
            answer = {'Mountpoint': path(volume)}
        elif method == 'Path': answer = {'Mountpoint': path(volume)}
        body = json.dumps(answer).encode()
        self.send_response(500 if answer.get('Err') else 200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer): daemon_threads = True
Server(socket, Handler).serve_forever()
"#;

/// A plugin that runs. It ends with the value.
struct Plugin(Child);

impl Drop for Plugin {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(machine: &Machine, name: &str) -> Result<Plugin> {
    let (script, root) = (machine.root().join("plugin.py"), machine.root().join(name));
    let (at, made) = (script.clone(), root.clone());
    machine.within(move || std::fs::create_dir_all(made).and_then(|()| std::fs::write(at, PLUGIN)))?;
    let script = format!("exec python3 {} {name} {}", script.display(), root.display());
    let plugin = Plugin(machine.start_sh(&script)?);
    let socket = format!("test -S /run/docker/plugins/{name}.sock");
    until("the plugin to listen", || (machine.sh(&socket).code == 0).then_some(()))?;
    Ok(plugin)
}

#[track_caller]
fn says(output: &Output, text: &str) -> Result<()> {
    ensure!(output.code != 0 && output.stderr.contains(text), "{text:?} was expected: {output:?}");
    Ok(())
}

#[test]
fn a_plugin_keeps_volumes() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let _plugin = start(&machine, "shelf")?;
    let docker = |words: &str| machine.docker(words);
    docker("volume create -d shelf -o color=red books").ok()?;
    let shown = machine.call("GET", "/volumes/books", "")?.ok()?;
    ensure!(
        shown["Driver"] == "shelf" && shown["Scope"] == "global" && shown["Status"]["opts"] == 1,
        "{shown}"
    );
    let mountpoint = machine.root().join("shelf/volumes/books").display().to_string();
    docker("run --rm -v books:/d busybox sh -c 'echo kept > /d/f'").ok()?;
    ensure!(machine.sh(&format!("cat {mountpoint}/f")).ok()? == "kept");
    docker("run -d --name one -v books:/d busybox sleep 1000").ok()?;
    ensure!(machine.inspect("one")?["Mounts"][0]["Source"] == mountpoint);
    docker("run --rm --volume-driver shelf -v made:/d busybox touch /d/x").ok()?;
    docker("run --rm --mount type=volume,src=more,dst=/d,volume-driver=shelf,volume-opt=a=b busybox true")
        .ok()?;
    ensure!(docker("volume ls -q -f driver=shelf").ok()? == "books\nmade\nmore");
    says(&docker("volume rm books"), "volume is in use")?;
    says(
        &docker("volume create -d local books"),
        "driver 'shelf' already has volume 'books': volume name must be unique",
    )?;
    says(&docker("volume create -d shelf -o fail=yes none"), "no room for none")?;
    says(
        &docker("volume create -d nobody none"),
        "error looking up volume plugin nobody: plugin \"nobody\" not found",
    )?;
    let body = r#"{"Image":"busybox","HostConfig":{"Binds":["none:/d"],"VolumeDriver":"nobody"}}"#;
    let refused = machine.call("POST", "/containers/create", body)?;
    ensure!(
        refused.status == 404 && refused.message().ends_with("plugin \"nobody\" not found"),
        "{refused:?}"
    );
    machine.kill_engine()?;
    machine.start_engine()?;
    docker("rm -f one").ok()?;
    docker("volume rm books made more").ok()?;
    let asked = machine.sh(&format!("cat {}", machine.root().join("shelf/asked").display())).ok()?;
    let count =
        |method: &str| asked.lines().filter(|line| line.starts_with(&format!("{method} books"))).count();
    ensure!(count("Mount") == count("Unmount") && count("Remove") == 1, "{asked}");
    ensure!(docker("volume ls -q").ok()?.is_empty());
    // One that the plugin has and we never made.
    docker("volume create -d shelf theirs").ok()?;
    let info = docker("info -f '{{.Plugins.Volume}}'").ok()?;
    ensure!(info == "[local shelf]", "{info}");
    Ok(())
}

#[test]
fn a_plugin_that_hangs_or_has_gone_stops_nobody_else() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let plugin = start(&machine, "shelf")?;
    machine.docker("volume create -d shelf -o slow=3 slow").ok()?;
    let mut waiting = machine.start_sh("exec docker run --rm -v slow:/d busybox true")?;
    let asked = machine.root().join("shelf/asked").display().to_string();
    until("the mount to be asked for", || {
        (machine.sh(&format!("grep -c '^Mount slow' {asked}")).stdout != "0").then_some(())
    })?;
    let before = std::time::Instant::now();
    machine.docker("run --rm -v other:/d busybox true").ok()?;
    machine.docker("volume ls").ok()?;
    ensure!(waiting.try_wait()?.is_none(), "others were not slower: {:?}", before.elapsed());
    ensure!(waiting.wait()?.success());
    drop(plugin);
    let gone = machine.docker("run --rm -v slow:/d busybox true");
    says(&gone, "cannot reach plugin \"shelf\"")?;
    ensure!(machine.docker("volume ls -q").ok()? == "other\nslow");
    says(&machine.docker("volume rm slow"), "cannot reach plugin \"shelf\"")?;
    let _again = {
        machine.sh("rm /run/docker/plugins/shelf.sock").ok()?;
        start(&machine, "shelf").context("the plugin again")?
    };
    std::thread::yield_now();
    machine.docker("volume rm -f slow").ok()?;
    ensure!(before.elapsed() < Duration::from_secs(60));
    Ok(())
}
