//! Descriptors: raised at start, and shared out between connections and the rest.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Stands for "no limit".
const UNLIMITED: u64 = u32::MAX as u64;

/// Raises the soft limit to the hard one and returns it.
pub fn raise_descriptors() -> std::io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(maximum) = maximum else {
        return Ok(current.unwrap_or(UNLIMITED));
    };
    if current != Some(maximum) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(maximum), maximum: Some(maximum) })?;
    }
    Ok(maximum)
}

/// Pipes a worker may have for transfers that stay within the kernel: each takes two descriptors, all of them
/// together at most a sixteenth.
pub fn pipes(descriptors: u64, workers: usize) -> usize {
    const MOST: usize = 32;
    usize::try_from(descriptors / 32).unwrap_or(MOST).div_ceil(workers.max(1)).min(MOST)
}

/// Descriptors that are no connection: listeners, epoll instances, sockets, checks, logs.
pub fn reserved(descriptors: u64, workers: usize, listeners: usize, servers: usize) -> u64 {
    // Per worker an epoll instance, its eventfd and its clone; a check holds one descriptor a server at most.
    let own = 64 + workers * (8 + 2 * pipes(descriptors, workers) + listeners) + servers.min(1024);
    own as u64
}

/// Of those, what must be there at any load: for sockets, metrics, logs and checks.
pub fn for_control(servers: usize) -> u64 {
    48 + servers.min(1024) as u64
}

/// Most client connections that descriptors allow: each may need one more to a server.
pub fn maxconn(descriptors: u64, reserved: u64) -> u32 {
    u32::try_from(descriptors.saturating_sub(reserved) / 2).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_takes_two() {
        assert_eq!(maxconn(20_000, reserved(20_000, 2, 2, 3)), (20_000 - (64 + 2 * (10 + 64) + 3)) / 2);
        assert_eq!(maxconn(10, 100), 1);
        assert_eq!((pipes(20_000, 2), pipes(200, 1), pipes(200, 4)), (32, 6, 2));
    }
}
