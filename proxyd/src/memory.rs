//! The process's memory: how much there is, how much may be used, and giving back what is free.

use std::fs;
use std::path::{Path, PathBuf};

/// What memory is bounded by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ceiling {
    pub bytes: u64,
    /// The control group whose limit it is; the kernel counts all that is in it.
    group: Option<PathBuf>,
}

impl Ceiling {
    /// The lowest limit of the control groups this process is in, else the machine's memory.
    pub fn of_system() -> Option<Self> {
        group_limit(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
            .or_else(|| {
                let bytes = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")? * 1024;
                Some(Self { bytes, group: None })
            })
    }

    /// One of our own.
    pub const fn of(bytes: u64) -> Self {
        Self { bytes, group: None }
    }

    /// What counts against it now. In a control group that is more than the process: its sockets' memory, too.
    pub fn used(&self) -> Option<u64> {
        let Some(group) = &self.group else { return Some(usage()?.resident) };
        let current: u64 = fs::read_to_string(group.join("memory.current")).ok()?.trim().parse().ok()?;
        // Files the kernel can drop at once are no pressure.
        let stat = fs::read_to_string(group.join("memory.stat")).ok()?;
        Some(current.saturating_sub(field(&stat, "inactive_file").unwrap_or(0)))
    }
}

/// The lowest limit on the way from a process's group to the root of all, of cgroup v2.
fn group_limit(root: &Path, membership: &str) -> Option<Ceiling> {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let groups = Path::new(own).ancestors().map(|group| root.join(group));
    let limits = groups.filter_map(|group| {
        let bytes = fs::read_to_string(group.join("memory.max")).ok()?.trim().parse().ok()?;
        Some(Ceiling { bytes, group: Some(group) })
    });
    limits.min_by_key(|ceiling| ceiling.bytes)
}

/// The number behind a name that begins a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Bytes of the process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Of its address space.
    pub space: u64,
    /// In RAM.
    pub resident: u64,
}

/// What the process has now.
pub fn usage() -> Option<Usage> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split_ascii_whitespace().map(|n| n.parse::<u64>().ok());
    let page = rustix::param::page_size() as u64;
    Some(Usage { space: pages.next()?? * page, resident: pages.next()?? * page })
}

/// Has memory come in small pages only: of what connections hold, most is a little in each of many large blocks, and a
/// huge page makes all between resident. Programs that are begun inherit it.
pub fn use_small_pages() {
    // Where this is not allowed it costs memory, and nothing else.
    let _kept = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives back what this thread has free. mimalloc does it by itself only while the thread goes on allocating, which
/// one that fell idle does not.
#[expect(unsafe_code, reason = "the allocator offers this as a C function")]
pub fn give_back() {
    // SAFETY: takes no pointer and keeps none; it may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.path().join("a/memory.max"), "1000\n").unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        let ceiling = group_limit(root.path(), "1:x:/\n0::/a/b\n").unwrap();
        assert_eq!(ceiling, Ceiling { bytes: 1000, group: Some(root.path().join("a")) });
        fs::write(inner.join("memory.max"), "800\n").unwrap();
        fs::write(inner.join("memory.current"), "700\n").unwrap();
        fs::write(inner.join("memory.stat"), "anon 500\ninactive_file 150\n").unwrap();
        let ceiling = group_limit(root.path(), "0::/a/b\n").unwrap();
        assert_eq!((ceiling.bytes, ceiling.used()), (800, Some(550)));
        assert_eq!(group_limit(root.path(), "0::/\n"), None);
    }

    #[test]
    fn this_process_uses_some() {
        let used = Ceiling::of(1).used().unwrap();
        assert!(used > 100_000 && usage().unwrap().space >= used);
        assert!(Ceiling::of_system().unwrap().bytes > used);
    }

    #[test]
    fn huge_pages_are_refused() {
        use_small_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
