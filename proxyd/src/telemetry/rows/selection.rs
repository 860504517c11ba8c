//! Which rows are wanted: by proxy, by kind, by server, and by what a server is.

use proto::command::{Filter, Hide, ProxyRef};
use proto::stats::Kind;

use crate::model::server::{Control, Server};
use crate::model::snapshot::Snapshot;

/// Which rows are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// Number of a proxy; `None` is all.
    pub proxy: Option<u32>,
    /// Sum of the kinds' bits; `None` is all.
    pub kinds: Option<u32>,
    /// Number of a server; `None` is all.
    pub id: Option<u32>,
    pub hide: Hide,
}

impl Selection {
    /// What a filter means in this graph; `None` if there is no such proxy.
    pub fn of(filter: Option<&Filter>, snapshot: &Snapshot) -> Option<Self> {
        let Some(filter) = filter else { return Some(Self::default()) };
        let proxies = snapshot.proxies();
        let proxy = match &filter.proxy {
            ProxyRef::All => None,
            ProxyRef::Number(number) => Some(proxies.iter().find(|p| p.id == *number)?.id),
            ProxyRef::Name(name) => Some(proxies.iter().find(|p| p.name == name)?.id),
        };
        Some(Self { proxy, kinds: filter.kinds, id: filter.id, hide: Hide::Nothing })
    }

    pub(super) fn proxy(self, id: u32) -> bool {
        self.proxy.is_none_or(|wanted| wanted == id)
    }

    pub(super) fn kind(self, kind: Kind) -> bool {
        self.kinds.is_none_or(|kinds| kinds & u32::from(kind.bit()) != 0)
    }

    /// The number is looked at in servers and listeners only, as HAProxy does.
    pub fn takes(self, kind: Kind, iid: u32, sid: u32) -> bool {
        let numbered = matches!(kind, Kind::Server | Kind::Listener);
        self.proxy(iid) && self.kind(kind) && (!numbered || self.id.is_none_or(|id| id == sid))
    }

    pub(super) fn server(self, server: &Server, control: &Control) -> bool {
        let shown = match self.hide {
            Hide::Nothing => true,
            Hide::Maint => !control.state.admin.is_maint(),
            Hide::Down => control.state.is_up(),
        };
        shown && self.id.is_none_or(|id| id == server.id)
    }
}
