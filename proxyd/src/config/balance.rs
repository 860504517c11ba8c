//! How the next server is chosen: what `balance` says.

/// How the next server is chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// In turns, each as often as its weight says.
    RoundRobin,
    /// The same with weights that stay as configured.
    StaticRr,
    /// The fewest requests for its weight.
    LeastConn,
    /// The first with room.
    First,
    /// The quicker of two that are drawn by weight.
    LeastLatency,
    /// The least loaded of some that are drawn by weight.
    Random { draws: u32 },
}

impl Algorithm {
    /// Whether it goes by how long servers take.
    pub const fn asks_for_time(&self) -> bool {
        matches!(self, Self::LeastLatency)
    }

    /// Whether weights can be changed at run time.
    pub const fn is_dynamic(&self) -> bool {
        !matches!(self, Self::StaticRr)
    }
}

/// Which backups step in when no other server is left.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Backups {
    /// The first of them that is up.
    #[default]
    First,
    /// All of them, balanced as the others were.
    All,
}
