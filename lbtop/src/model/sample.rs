//! One look at the balancer, as the transport hands it over.

/// What a row is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Frontend,
    Backend,
    Server,
    Listener,
}

/// What of `show info` is used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Info {
    pub name: String,
    pub version: String,
    pub node: String,
    pub pid: u64,
    pub uptime_s: u64,
    pub curr_conns: u64,
    pub max_conn: u64,
}

impl Info {
    /// Product and version as people say them: `proxyd 0.1.0`, `HAProxy 2.6.12`.
    pub fn product(&self) -> String {
        if let Some((_, own)) = self.version.split_once("-proxyd-") {
            return format!("proxyd {own}");
        }
        let end = match self.version.find('-') {
            Some(first) if self.version[first..].starts_with("-dev") => {
                self.version[first + 1..].find('-').map(|second| first + 1 + second)
            }
            other => other,
        };
        format!("{} {}", self.name, &self.version[..end.unwrap_or(self.version.len())])
    }

    /// Whether the server is proxyd, which has a stream.
    pub fn is_proxyd(&self) -> bool {
        self.version.contains("-proxyd")
    }
}

/// What of a row of `show stat` is used; `None` is an empty field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    pub kind: Kind,
    pub proxy: String,
    pub name: String,
    pub status: String,
    pub mode: String,
    pub algo: String,
    pub addr: String,
    pub tracked: String,
    pub check_status: String,
    pub check_desc: String,
    pub last_chk: String,
    pub check_code: Option<u64>,
    pub check_duration: Option<u64>,
    pub agent_status: String,
    pub agent_desc: String,
    pub last_agt: String,
    pub agent_duration: Option<u64>,
    /// Unix milliseconds of the last change of state.
    pub changed_at: Option<u64>,
    pub is_backup: bool,
    pub weight: Option<u64>,
    /// Percent of the weight during a slow start.
    pub throttle: Option<u64>,
    pub qcur: Option<u64>,
    pub scur: Option<u64>,
    pub slim: Option<u64>,
    pub stot: Option<u64>,
    pub req_tot: Option<u64>,
    pub hrsp_5xx: Option<u64>,
    pub bin: Option<u64>,
    pub bout: Option<u64>,
    pub rtime: Option<u64>,
    /// The balancer's own rate of the last second: requests of a frontend, sessions of the others.
    pub rate: Option<u64>,
}

impl Row {
    /// An empty row, to be filled.
    pub fn new(kind: Kind, proxy: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            proxy: proxy.into(),
            name: name.into(),
            status: String::new(),
            mode: String::new(),
            algo: String::new(),
            addr: String::new(),
            tracked: String::new(),
            check_status: String::new(),
            check_desc: String::new(),
            last_chk: String::new(),
            check_code: None,
            check_duration: None,
            agent_status: String::new(),
            agent_desc: String::new(),
            last_agt: String::new(),
            agent_duration: None,
            changed_at: None,
            is_backup: false,
            weight: None,
            throttle: None,
            qcur: None,
            scur: None,
            slim: None,
            stot: None,
            req_tot: None,
            hrsp_5xx: None,
            bin: None,
            bout: None,
            rtime: None,
            rate: None,
        }
    }

    /// What counts as a request: HTTP requests, or sessions where there are none.
    pub fn requests(&self) -> u64 {
        self.req_tot.or(self.stot).unwrap_or(0)
    }
}

/// All of it, at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Changes when the balancer is started anew.
    pub boot: String,
    pub info: Info,
    pub rows: Vec<Row>,
    /// How long it took to get, in milliseconds; 0 from a stream.
    pub took_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products() {
        for (version, product) in [
            ("3.2.0-proxyd-0.1.0", "proxyd 0.1.0"),
            ("2.6.12-1+deb12u4", "HAProxy 2.6.12"),
            ("3.5-dev5-5e4f0b1-12", "HAProxy 3.5-dev5"),
            ("3.5-dev5", "HAProxy 3.5-dev5"),
            ("3.0.4", "HAProxy 3.0.4"),
        ] {
            let info = Info { name: "HAProxy".into(), version: version.into(), ..Info::default() };
            assert_eq!(info.product(), product);
        }
    }
}
