//! What can be said of this machine: processes by their mark of birth, memory and room on a disk that
//! is left.

#[cfg(windows)]
pub use super::windows::{available_memory, free_space, process_alive, process_started};
#[cfg(target_os = "linux")]
pub use linux::{available_memory, process_alive, process_started};
#[cfg(all(unix, not(target_os = "linux")))]
pub use plain::{available_memory, process_alive, process_started};

/// Bytes that we may still write to the file system of a folder that is there. None: it cannot be told.
#[cfg(unix)]
pub fn free_space(folder: &std::path::Path) -> Option<u64> {
    let told = rustix::fs::statvfs(folder).ok()?;
    told.f_bavail.checked_mul(told.f_frsize)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::{Path, PathBuf};

    use crate::supervisor::tree::proc;

    /// Names the process that has this id, for good: the machine's start, the namespace of its ids, and
    /// when it began. None: there is no such process.
    pub fn process_started(pid: u32) -> Option<String> {
        let stat = proc::stat(i32::try_from(pid).ok()?).filter(|stat| !stat.has_ended())?;
        Some(format!("{}:{}:{}", boot()?, namespace()?, stat.started))
    }

    /// Whether the process `pid` that [`process_started`] named `started` still runs. One of another
    /// namespace cannot be seen from here and is taken to run; one from before this machine's start is not.
    pub fn process_alive(pid: u32, started: &str) -> bool {
        let mut parts = started.splitn(3, ':');
        if parts.next() != boot().as_deref() {
            return false;
        }
        if parts.next() != namespace().as_deref() {
            return true;
        }
        process_started(pid).as_deref() == Some(started)
    }

    fn boot() -> Option<String> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned())
    }

    /// The namespace's number: `pid:[4026531836]` without what is always there.
    fn namespace() -> Option<String> {
        let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
        Some(link.to_str()?.trim_start_matches("pid:[").trim_end_matches(']').to_owned())
    }

    /// Bytes of memory that can be used without swapping: the machine's, or those of our control group
    /// if they are fewer. None: it cannot be told.
    pub fn available_memory() -> Option<u64> {
        let machine = meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?);
        let group = control_group().and_then(|folder| left_in_group(&folder));
        machine.into_iter().chain(group).min()
    }

    fn meminfo(text: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    fn control_group() -> Option<PathBuf> {
        let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        Some(Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/')))
    }

    /// The least that a group and those around it leave.
    fn left_in_group(folder: &Path) -> Option<u64> {
        folder
            .ancestors()
            .take_while(|folder| folder.starts_with("/sys/fs/cgroup"))
            .filter_map(|folder| {
                let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
                let limit: u64 = read("memory.max")?.trim().parse().ok()?;
                let used: u64 = read("memory.current")?.trim().parse().ok()?;
                // Cached files count as used and are given up when memory is wanted.
                let cached = read("memory.stat").as_deref().and_then(inactive_files).unwrap_or(0);
                Some(limit.saturating_sub(used.saturating_sub(cached)))
            })
            .min()
    }

    fn inactive_files(text: &str) -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_process_is_known_by_its_start() {
            let own = std::process::id();
            let started = process_started(own).unwrap();
            assert!(process_alive(own, &started));
            assert!(!process_alive(own, "another-boot:1:2"));
            let (rest, start) = started.rsplit_once(':').unwrap();
            assert!(!process_alive(own, &format!("{rest}:{start}1")));
            let (boot, _) = started.split_once(':').unwrap();
            assert!(process_alive(own, &format!("{boot}:1:1")), "another namespace cannot be seen");
            assert_eq!(process_started(u32::MAX), None);
        }

        #[test]
        fn room_on_a_disk_is_told_of_folders_that_are_there() {
            let folder = tempfile::tempdir().unwrap();
            assert!(crate::supervisor::free_space(folder.path()).is_some());
            assert_eq!(crate::supervisor::free_space(&folder.path().join("none")), None);
        }

        #[test]
        fn memory_is_read() {
            assert_eq!(meminfo("MemTotal: 9 kB\nMemAvailable:     12 kB\n"), Some(12_288));
            assert_eq!(inactive_files("anon 1\ninactive_file 77\n"), Some(77));
            assert!(available_memory().unwrap() > 0);
        }
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod plain {
    use rustix::process::Pid;

    /// None: the system's word for it needs calls that are not safe, and a lease lives by its
    /// heartbeat as well.
    pub fn process_started(_pid: u32) -> Option<String> {
        None
    }

    /// Whether some process has this id; its start cannot be compared.
    pub fn process_alive(pid: u32, _started: &str) -> bool {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        match rustix::process::test_kill_process(pid) {
            Ok(()) => true,
            Err(error) => error == rustix::io::Errno::PERM,
        }
    }

    /// None: it cannot be told.
    pub fn available_memory() -> Option<u64> {
        None
    }
}
