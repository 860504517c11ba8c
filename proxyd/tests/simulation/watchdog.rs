//! Seeds are played on threads of their own, beside one that watches them: a seed that hangs is a failure like all others,
//! with its number and what led there. Its thread is left behind, since nothing can end it.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A seed takes a fraction of a second. One that takes so long will not end, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// What happens with a seed, which others can read meanwhile.
#[derive(Default)]
pub(crate) struct Tale(Mutex<Vec<String>>);

impl Tale {
    pub(crate) fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Plays one seed; what was wrong with it.
pub(crate) type Player = fn(u64, &Arc<Tale>) -> Option<String>;

/// How one seed ended.
pub(crate) struct Played {
    pub(crate) trace: Vec<String>,
    pub(crate) wrong: Option<String>,
}

enum News {
    Begun(Arc<Tale>),
    Ended(Option<String>),
}

/// Plays seeds on all processors and tells how each ended. After a break no other is begun; those that had been are
/// told of all the same.
pub(crate) fn play_all(
    seeds: Range<u64>,
    patience: Duration,
    play: Player,
    mut each: impl FnMut(u64, Played) -> ControlFlow<()>,
) {
    let next = Arc::new(AtomicU64::new(seeds.start));
    let (teller, told) = mpsc::channel();
    for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
        let (next, teller) = (Arc::clone(&next), teller.clone());
        std::thread::spawn(move || {
            loop {
                let seed = next.fetch_add(1, Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let tale = Arc::default();
                // Where nobody listens any more a seed hangs, which is what is told of.
                let _unheard = teller.send((seed, News::Begun(Arc::clone(&tale))));
                let wrong = play(seed, &tale);
                let _unheard = teller.send((seed, News::Ended(wrong)));
            }
        });
    }
    drop(teller);
    let mut under_way: BTreeMap<u64, (Instant, Arc<Tale>)> = BTreeMap::new();
    loop {
        let left = under_way.values().map(|(since, _)| patience.saturating_sub(since.elapsed())).min();
        match told.recv_timeout(left.unwrap_or(patience)) {
            Ok((seed, News::Begun(tale))) => {
                under_way.insert(seed, (Instant::now(), tale));
            }
            Ok((seed, News::Ended(wrong))) => {
                let trace = under_way.remove(&seed).map(|(_, tale)| tale.lines()).unwrap_or_default();
                if each(seed, Played { trace, wrong }).is_break() {
                    next.store(seeds.end, Relaxed);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let hangs = under_way.iter().find(|(_, (since, _))| since.elapsed() >= patience);
                if let Some((&seed, (_, tale))) = hangs {
                    let wrong = format!("it has not ended after {patience:?}");
                    let _over = each(seed, Played { trace: tale.lines(), wrong: Some(wrong) });
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
