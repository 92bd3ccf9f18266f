//! What the kernel and the disk alone need for a connect: the limit of every engine.

use std::{
    fs::{self, File},
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use linux::{
    netns::Netns,
    rtnl::{
        AddrAdd, LinkAdd, LinkSet, LinkType, Peer, Route, Rtnl, addr::addr_add, link::link_set,
        route::route_add,
    },
    scratch::Scratch,
};

/// How much one durable write writes: a page of a store.
const PAGE: [u8; 4096] = [7; 4096];

/// A bridge and a namespace on a machine of their own, and a file.
#[derive(Debug)]
pub(crate) struct Bare {
    host: Rtnl,
    bridge: u32,
    inside: Netns,
    rtnl: Rtnl,
    file: File,
    /// Ends with all that is in it.
    _machine: Scratch,
}

impl Bare {
    /// Makes them; the file is below `data`, or in memory.
    pub(crate) fn new(data: Option<&Path>) -> Result<Self> {
        let name = format!("tombolo-bench-bare-{}", std::process::id());
        let machine = Scratch::new(&std::env::temp_dir().join(name)).context("no scratch machine")?;
        let root = machine.root().to_owned();
        let at = data.unwrap_or(&root).join("page");
        let made = machine.run(move || {
            let mut host = Rtnl::open()?;
            let bridge = host.link_add(&LinkAdd { up: true, ..LinkAdd::new("bare", LinkType::Bridge) })?;
            let inside = Netns::create(&root.join("inside"))?;
            let rtnl = Rtnl::open_in(&inside)?;
            fs::write(&at, PAGE)?;
            anyhow::Ok((host, bridge.index, inside, rtnl, File::options().write(true).open(at)?))
        });
        let (host, bridge, inside, rtnl, file) = made.context("cannot furnish the bare machine")?;
        Ok(Self { host, bridge, inside, rtnl, file, _machine: machine })
    }

    /// Joins the namespace to the bridge with two messages, and writes a page to the disk. Says how long both
    /// took; parting again is not measured.
    pub(crate) fn connect(&mut self) -> Result<Duration> {
        let peer = Peer { name: "eth1".to_owned(), address: None, netns: Some(self.inside.as_fd()) };
        let veth =
            LinkAdd { master: Some(self.bridge), up: true, ..LinkAdd::new("bare1", LinkType::Veth(peer)) };
        let started = Instant::now();
        let link = self.host.link_add(&veth)?;
        let index = link.peer.context("a veth without a peer")?;
        let up = LinkSet { up: Some(true), ..LinkSet::default() };
        let address = AddrAdd::new(index, "10.98.0.2/16".parse()?);
        let route = Route::via("10.97.0.0/16".parse()?, "10.98.0.1".parse()?, index);
        self.rtnl.apply(&[link_set(index, &up), addr_add(&address), route_add(&route)])?;
        self.file.write_all_at(&PAGE, 0)?;
        self.file.sync_data()?;
        let took = started.elapsed();
        self.host.link_del(link.index)?;
        Ok(took)
    }
}
