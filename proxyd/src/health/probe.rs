//! One check of one server.

use proto::addr::Address;
use proto::state::Oper;

use super::external::{self, About};
use super::finding::{Answer, Finding};
use super::grpc::{self, Grpc};
use super::http::{self, Framing, Http};
use super::link::{Line as _, Link, Manners, Route, Time};
use super::mysql::{self, Mysql};
use super::postgres::{self, Postgres};
use super::redis::{self, Redis};
use super::script::{self, Lines};
use super::smtp::{self, Smtp};
use super::talk::{Talk, converse};
use crate::clock;
use crate::config::check::{Connect, Encrypt, Greet, HttpCheck, HttpVersion, Step, Target};
use crate::config::{Check, CheckKind, CheckPlace, Mode, ServerHttp};
use crate::model::backend::Backend;
use crate::model::server::{CheckStatus, Outcome, Server};
use crate::tls::Originator;

/// Asks once; the timeout covers all of it.
pub async fn probe(address: &Address, backend: &Backend, server: &Server, check: &Check) -> Outcome {
    let start = clock::now();
    let mut answer = Answer::default();
    let mut probe = Probe {
        address,
        server,
        check,
        answer: &mut answer,
        time: Time::until(start + check.timing.timeout),
    };
    let finding = probe.find(backend).await;
    finding.into_outcome(clock::now() - start, answer)
}

struct Probe<'a> {
    /// Of the server.
    address: &'a Address,
    server: &'a Server,
    check: &'a Check,
    answer: &'a mut Answer,
    time: Time,
}

impl<'a> Probe<'a> {
    async fn find(&mut self, backend: &Backend) -> Finding {
        let kind = &self.check.kind;
        match kind {
            CheckKind::Script(steps) => return self.script(steps).await,
            CheckKind::External { command, arguments } => {
                let about = About {
                    proxy: &backend.name,
                    proxy_id: backend.id,
                    server: &self.server.name,
                    server_id: self.server.id,
                    address: &place(self.address, self.server.check_place(), None),
                    maxconn: self.server.maxconn(),
                    served: self.server.served.load(std::sync::atomic::Ordering::Relaxed),
                    encrypted: self.server.tls.is_some(),
                    protocol: if backend.mode == Mode::Http { "http" } else { "tcp" },
                };
                return external::run(command, arguments.as_deref(), &about, self.answer, &mut self.time)
                    .await;
            }
            _ => {}
        }
        match self.ask().await {
            Ok(finding) | Err(finding) => finding,
        }
    }

    /// One connection, and what is asked over it.
    async fn ask(&mut self) -> Result<Finding, Finding> {
        let manners = match &self.check.kind {
            CheckKind::Postgres { .. }
            | CheckKind::Mysql { .. }
            | CheckKind::Redis
            | CheckKind::Smtp { .. } => Manners::Goodbye,
            _ => Manners::Reset,
        };
        let route = self.route(None, manners);
        let host = host_of(&route.address);
        let mut link = Link::open(&route, &mut self.time).await?;
        let (mut talk, goodbye) = match &self.check.kind {
            CheckKind::Tcp | CheckKind::Script(_) | CheckKind::External { .. } => {
                return Ok(Finding::new(connected(&link), ""));
            }
            CheckKind::Http(asked) => {
                let link = if self.speaks_h2(asked, &link)? {
                    link.multiplexed(&mut self.time).await?
                } else {
                    link
                };
                return self.request(link, asked, &host).await;
            }
            CheckKind::Grpc { service, authority } => {
                agreed(&link)?;
                let mut link = link.multiplexed(&mut self.time).await?;
                let head = grpc::head(authority.as_deref().unwrap_or(&host));
                link.ask(head.as_bytes(), &grpc::body(service), &mut self.time).await?;
                return Ok(converse(&mut link, &mut Talk::Grpc(Grpc), self.answer, &mut self.time).await);
            }
            CheckKind::Postgres { user, database } => {
                link.send(&postgres::startup(user, database.as_deref()), &mut self.time).await?;
                (Talk::Postgres(Postgres), postgres::GOODBYE)
            }
            CheckKind::Mysql { user } => (Talk::Mysql(Mysql::new(user.as_deref())), mysql::GOODBYE),
            CheckKind::Redis => {
                link.send(redis::PING, &mut self.time).await?;
                (Talk::Redis(Redis), redis::GOODBYE)
            }
            CheckKind::Smtp { helo } => (Talk::Smtp(Smtp::new(helo)), smtp::GOODBYE),
        };
        let finding = converse(&mut link, &mut talk, self.answer, &mut self.time).await;
        let goodbye = match &talk {
            Talk::Mysql(talk) if !talk.came_in() => &[],
            _ => goodbye,
        };
        link.part(goodbye, &mut self.time).await;
        Ok(finding)
    }

    async fn request(&mut self, mut link: Link, asked: &HttpCheck, host: &str) -> Result<Finding, Finding> {
        let head = http::request(asked, host);
        link.ask(head.as_bytes(), asked.body.as_bytes(), &mut self.time).await?;
        let framing = if link.is_h2() { Framing::Stream } else { Framing::Text };
        // Who is left out beside the others is well all the same.
        let is_well = self.server.control().state.oper != Oper::Stopped;
        let mut talk = Talk::Http(Http::new(asked, framing, is_well));
        Ok(converse(&mut link, &mut talk, self.answer, &mut self.time).await)
    }

    fn speaks_h2(&self, asked: &HttpCheck, link: &Link) -> Result<bool, Finding> {
        let wanted = match asked.version {
            Some(HttpVersion::Http2) => ServerHttp::H2,
            Some(HttpVersion::Http10 | HttpVersion::Http11) => ServerHttp::Http1,
            None if self.check.target.alpn.is_some() => ServerHttp::Auto,
            None => self.server.uplink.http,
        };
        match wanted {
            ServerHttp::Http1 => Ok(false),
            ServerHttp::H2 => agreed(link).map(|()| true),
            ServerHttp::Auto => Ok(link.agreed_on_h2()),
        }
    }

    async fn script(&mut self, steps: &[Step]) -> Finding {
        let mut found = Finding::new(CheckStatus::L4Ok, "");
        for part in script::parts(steps) {
            let route = self.route(part.connect, Manners::Reset);
            let mut link = match Link::open(&route, &mut self.time).await {
                Ok(link) => link,
                Err(finding) => {
                    let port = part.connect.and_then(|connect| connect.port);
                    let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
                    return match part.connect {
                        Some(_) => {
                            finding.at(&format!("at step {} of tcp-check (connect{port})", part.before))
                        }
                        None => finding,
                    };
                }
            };
            let mut lines = Lines::new(part);
            let opening = lines.opening();
            if !opening.is_empty()
                && let Err(finding) = link.send(&opening, &mut self.time).await
            {
                return finding.at(&lines.place());
            }
            if lines.is_done() {
                if found.status != CheckStatus::L7Ok {
                    found.status = connected(&link);
                }
                continue;
            }
            let mut talk = Talk::Script(lines);
            found = converse(&mut link, &mut talk, self.answer, &mut self.time).await;
            if !found.status.passed() {
                return match &talk {
                    // What does not match says so itself.
                    Talk::Script(lines) if !found.info.starts_with("TCPCHK") => found.at(&lines.place()),
                    _ => found,
                };
            }
        }
        found
    }

    /// Where a connection goes, and how.
    fn route(&self, step: Option<&Connect>, manners: Manners) -> Route<'a> {
        let (server, target) = (self.server, &self.check.target);
        let elsewhere =
            target.is_elsewhere() || step.is_some_and(|step| step.address.is_some() || step.port.is_some());
        let greet = match step.map_or(Greet::AsServer, |step| step.greet) {
            Greet::AsServer => target.greet,
            own => own,
        };
        Route {
            address: place(self.address, server.check_place(), step),
            uplink: &server.uplink,
            turn: &server.source_turn,
            greet: match greet {
                Greet::AsServer => server.uplink.send_proxy.filter(|_| !elsewhere),
                Greet::Never => None,
                Greet::Send(how) => Some(how),
            },
            tls: encrypts(server, target, step, elsewhere),
            manners,
        }
    }
}

fn encrypts<'a>(
    server: &'a Server,
    target: &Target,
    step: Option<&Connect>,
    elsewhere: bool,
) -> Option<&'a Originator> {
    let encrypt = match step.map_or(Encrypt::AsServer, |step| step.encrypt) {
        Encrypt::AsServer => target.encrypt,
        own => own,
    };
    let encrypted = match encrypt {
        Encrypt::AsServer => server.tls.is_some() && !elsewhere,
        Encrypt::Never => false,
        Encrypt::Always => true,
    };
    server.check_tls.as_deref().filter(|_| encrypted)
}

/// The server's address, with what a check has in its place.
fn place(address: &Address, target: CheckPlace, step: Option<&Connect>) -> Address {
    let ip = step.and_then(|step| step.address).or(target.address);
    let port = step.and_then(|step| step.port).or(target.port);
    match (address, ip, port) {
        (Address::Ip(own), ip, port) => {
            Address::Ip((ip.unwrap_or_else(|| own.ip()), port.unwrap_or_else(|| own.port())).into())
        }
        (Address::Unix(_), Some(ip), Some(port)) => Address::Ip((ip, port).into()),
        (Address::Unix(_), ..) => address.clone(),
    }
}

fn connected(link: &Link) -> CheckStatus {
    if link.is_encrypted() { CheckStatus::L6Ok } else { CheckStatus::L4Ok }
}

/// What is encrypted has to have agreed on HTTP/2; in clear the server has to know.
fn agreed(link: &Link) -> Result<(), Finding> {
    if link.is_encrypted() && !link.agreed_on_h2() {
        return Err(Finding::new(CheckStatus::L6Response, "no HTTP/2 by ALPN"));
    }
    Ok(())
}

fn host_of(address: &Address) -> String {
    match address {
        Address::Ip(ip) => ip.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::spawn_local;

    use super::*;
    use crate::config::check::{Expect, StatusRange};
    use crate::model::change::Cause;
    use crate::model::state::Event;
    use crate::model::testing;

    #[tokio::test(flavor = "local")]
    async fn one_that_is_left_out_may_ask_for_nothing_new_and_one_that_is_down_may_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Ip(listener.local_addr().unwrap());
        spawn_local(async move {
            while let Ok((mut one, _)) = listener.accept().await {
                assert_ne!(one.read(&mut [0; 1024]).await.unwrap(), 0);
                one.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        });
        let asked = HttpCheck {
            method: "GET".into(),
            path: "/".into(),
            host: None,
            version: None,
            headers: Vec::new(),
            body: String::new(),
            expect: vec![Expect::Status(vec![StatusRange { first: 200, last: 399 }])],
            disable_on_404: true,
        };
        let mut check = Check { kind: CheckKind::Http(Box::new(asked)), ..testing::check() };
        check.timing.timeout = testing::SECOND * 60;
        let shared = testing::shared();
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        let server = &backend.servers[0];
        for (event, status) in [
            (Event::CheckPassed, CheckStatus::L7OkConditional),
            (Event::Eject, CheckStatus::L7OkConditional),
            (Event::HealthDown, CheckStatus::L7Status),
        ] {
            shared.server_event(&backend, server, event, Cause::Comparison("it is a test"));
            assert_eq!(probe(&address, &backend, server, &check).await.status, status, "{event:?}");
        }
    }
}
