//! Tickets that clients resume sessions with: sealed with keys that all workers share and that outlive a reload.
//!
//! A ticket is the name of a key, a salt, and the sealed session. What seals it is derived from the key, from what the
//! bind asks of its clients and from the salt: so a ticket is worth nothing where more is asked for, and no nonce is
//! ever used twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use rustls::server::ProducesTickets;

use crate::clock::{self, Instant};
use crate::config::tls::ticket_keys::{NAME, TicketKey, TicketKeys};
use crate::config::tls::{BindTls, ClientCerts, Tickets};

/// How long a random key seals tickets; it opens them for as long again.
const ROTATION: Duration = Duration::from_hours(6);

const SALT: usize = 16;

/// Keys made here, another every few hours.
#[derive(Debug)]
pub(super) struct Rotating {
    keys: ArcSwap<Pair>,
    /// Held by who makes the next one.
    turn: Mutex<()>,
}

/// The key that seals, and the one before it.
#[derive(Debug)]
struct Pair {
    sealing: Option<TicketKey>,
    before: Option<TicketKey>,
    until: Instant,
}

impl Default for Rotating {
    fn default() -> Self {
        let pair = Pair { sealing: random(), before: None, until: clock::now() + ROTATION };
        Self { keys: ArcSwap::from_pointee(pair), turn: Mutex::new(()) }
    }
}

impl Rotating {
    /// Makes the next key when it is time; one of those who come then does it.
    fn turn(&self) {
        let now = clock::now();
        if now < self.keys.load().until {
            return;
        }
        let Ok(_turn) = self.turn.try_lock() else { return };
        let keys = self.keys.load();
        if now < keys.until {
            return;
        }
        // What was sealed with a key that nobody needed for so long is not opened any more.
        let before = keys.sealing.clone().filter(|_| now < keys.until + ROTATION);
        self.keys.store(Arc::new(Pair { sealing: random(), before, until: now + ROTATION }));
    }
}

/// The tickets of one bind.
#[derive(Debug)]
pub(super) struct Ticketer {
    keys: Keys,
    /// What the bind asks of clients.
    context: [u8; 32],
}

#[derive(Debug)]
enum Keys {
    Own(Arc<Rotating>),
    File(Arc<TicketKeys>),
}

impl Ticketer {
    /// `None` where there are to be no tickets.
    pub(super) fn new(tls: &BindTls, own: &Arc<Rotating>) -> Option<Self> {
        let keys = match &tls.tickets {
            Tickets::Off => return None,
            Tickets::Own => Keys::Own(Arc::clone(own)),
            Tickets::Keys { keys, .. } => Keys::File(Arc::clone(keys)),
        };
        Some(Self { keys, context: context(tls.client_certs.as_ref()) })
    }

    fn sealing(&self) -> Option<TicketKey> {
        match &self.keys {
            Keys::Own(own) => {
                own.turn();
                own.keys.load().sealing.clone()
            }
            Keys::File(keys) => keys.sealing().cloned(),
        }
    }

    fn named(&self, name: &[u8]) -> Option<TicketKey> {
        match &self.keys {
            Keys::Own(own) => {
                own.turn();
                let keys = own.keys.load();
                [&keys.sealing, &keys.before].into_iter().flatten().find(|key| key.name == name).cloned()
            }
            Keys::File(keys) => keys.named(name).cloned(),
        }
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        ROTATION.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.sealing()?;
        let mut salt = [0; SALT];
        rand::fill(&mut salt).ok()?;
        let sealing = derived(&key, &self.context, &salt)?;
        let mut sealed = plain.to_vec();
        sealing.seal_in_place_append_tag(once(), Aad::from(key.name), &mut sealed).ok()?;
        let mut ticket = Vec::with_capacity(NAME + SALT + sealed.len());
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(&salt);
        ticket.append(&mut sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (salt, sealed) = rest.split_at_checked(SALT)?;
        let key = self.named(name)?;
        let mut plain = sealed.to_vec();
        let opening = derived(&key, &self.context, salt)?;
        let length = opening.open_in_place(once(), Aad::from(key.name), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// Each derived key is used once.
fn once() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn random() -> Option<TicketKey> {
    let (mut name, mut secret) = ([0; NAME], vec![0; 32]);
    rand::fill(&mut name).ok()?;
    rand::fill(&mut secret).ok()?;
    Some(TicketKey { name, secret })
}

fn derived(key: &TicketKey, context: &[u8; 32], salt: &[u8]) -> Option<LessSafeKey> {
    let extracted = Salt::new(HKDF_SHA256, context).extract(&key.secret);
    let info = [salt];
    let expanded = extracted.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(expanded)))
}

/// What a client was asked for when its ticket was made: whose certificate, and which ones were revoked.
fn context(client: Option<&ClientCerts>) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    let mut add = |part: &[u8]| {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(b"proxyd tickets");
    if let Some(client) = client {
        add(if client.required { b"required" } else { b"optional" });
        client.authorities.certificates.iter().for_each(|certificate| add(certificate));
        add(b"revoked");
        client.authorities.revoked.iter().for_each(|list| add(list));
    }
    let mut context = [0; 32];
    context.copy_from_slice(hash.finish().as_ref());
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticketer(keys: &Arc<Rotating>, context: u8) -> Ticketer {
        Ticketer { keys: Keys::Own(Arc::clone(keys)), context: [context; 32] }
    }

    #[test]
    fn a_ticket_opens_with_its_key_and_context_alone() {
        let keys = Arc::<Rotating>::default();
        let (one, other) = (ticketer(&keys, 1), ticketer(&keys, 2));
        let ticket = one.encrypt(b"session").unwrap();
        assert_eq!(one.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        assert_eq!(ticketer(&Arc::default(), 1).decrypt(&ticket), None);
        assert_ne!(one.encrypt(b"session").unwrap(), ticket, "no two are alike");
        for at in 0..ticket.len() {
            let mut bent = ticket.clone();
            bent[at] ^= 1;
            assert_eq!(one.decrypt(&bent), None, "byte {at}");
            assert_eq!(one.decrypt(&ticket[..at]), None, "{at} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_rotate() {
        let keys = Arc::<Rotating>::default();
        let ticketer = ticketer(&keys, 1);
        let first = ticketer.encrypt(b"1").unwrap();
        tokio::time::advance(ROTATION + Duration::from_secs(1)).await;
        let second = ticketer.encrypt(b"2").unwrap();
        assert_ne!(first[..NAME], second[..NAME]);
        assert!(ticketer.decrypt(&first).is_some() && ticketer.decrypt(&second).is_some());
        tokio::time::advance(ROTATION).await;
        assert!(ticketer.decrypt(&first).is_none() && ticketer.decrypt(&second).is_some());
        tokio::time::advance(3 * ROTATION).await;
        assert!(ticketer.decrypt(&second).is_none(), "nobody came for long");
    }
}
