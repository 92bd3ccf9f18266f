//! Links on links of the host, and what is made below them.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use cnm::apply::Refusal;
use cnm::driver::upper::Kind;
use cnm::state::{Key, Lower, LowerKind, Ns, Object, Upper};
use cnm::{EndpointId, Mac, SandboxId};
use linux::rtnl::{Link, Rtnl};

use super::super::upper::kind_of;
use super::super::{lock, refusal::refused};
use super::View;

impl View<'_> {
    pub(super) fn vlan(&mut self, rtnl: &mut Rtnl, link: &Link, id: u16) -> Result<(), Refusal> {
        let below = match link.peer {
            Some(index) => rtnl.link_by_index(index).map_err(refused)?,
            None => None,
        };
        let on = below.map(|below| below.name).unwrap_or_default();
        self.lower(link, LowerKind::Vlan { on, id });
        Ok(())
    }

    pub(super) fn lower(&mut self, link: &Link, kind: LowerKind) {
        self.state.insert(Key::Lower(link.name.clone()), Object::Lower(Lower { kind, up: link.up }));
    }

    /// The links of sandboxes that are on links of the host: those of all sandboxes that are looked
    /// at, or of those where some are expected.
    pub(super) fn uppers(&mut self) -> Result<(), Refusal> {
        let expected: BTreeSet<SandboxId> = self.expected.values().filter_map(sandbox).collect();
        let looked_at = self.sandboxes.iter().filter(|(id, _)| self.all || expected.contains(id));
        let looked_at: Vec<_> = looked_at.map(|(id, inside)| (*id, inside.clone())).collect();
        for (sandbox, inside) in looked_at {
            let (links, host) = {
                let mut rtnl = lock(&inside.rtnl);
                let host = rtnl.netns_id(self.shared.netns.as_fd()).map_err(refused)?;
                (rtnl.link_list().map_err(refused)?, host)
            };
            for link in links {
                let Some(kind) = kind_of(&link) else { continue };
                let below = link.peer.filter(|_| link.peer_netns == host);
                self.upper(sandbox, &link, (kind, below))?;
            }
        }
        Ok(())
    }

    fn upper(
        &mut self,
        sandbox: SandboxId,
        link: &Link,
        (kind, below): (Kind, Option<u32>),
    ) -> Result<(), Refusal> {
        let Some(endpoint) = self.shared.mark.subject_of::<EndpointId>(link) else { return Ok(()) };
        let below = match below {
            Some(index) => self.shared.rtnl()?.link_by_index(index).map_err(refused)?,
            None => None,
        };
        let key = Key::Upper(endpoint);
        let wanted = match self.expected.get(&key) {
            Some(Object::Upper(upper)) => Some(upper),
            _ => None,
        };
        let upper = Upper {
            lower: below.map(|below| below.name).unwrap_or_default(),
            kind,
            place: (Ns::Sandbox(sandbox), link.name.clone()),
            // What follows the link below is nobody's wish.
            mac: link.address.map(|mac| Mac::new(mac.0)).filter(|_| wanted.is_none_or(|it| it.mac.is_some())),
            mtu: Some(link.mtu).filter(|_| wanted.is_none_or(|it| it.mtu.is_some())),
            up: link.up,
        };
        self.links.entry(Ns::Sandbox(sandbox)).or_default().insert(link.index, link.name.clone());
        self.state.insert(key, Object::Upper(upper));
        Ok(())
    }
}

fn sandbox(object: &Object) -> Option<SandboxId> {
    let Object::Upper(Upper { place: (Ns::Sandbox(sandbox), _), .. }) = object else { return None };
    Some(*sandbox)
}
