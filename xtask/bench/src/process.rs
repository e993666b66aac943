//! What the kernel accounts to a process.

use std::path::Path;
use std::time::Duration;

/// CPU time of all threads so far, user and system, by the scheduler's own nanoseconds.
pub(crate) fn cpu(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Resident memory in MiB.
pub(crate) fn rss_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))
        .unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// The command that runs `program` on that processor, where `taskset` is there to do it.
pub(crate) fn pinned(program: &Path, processor: u32) -> std::process::Command {
    let has_taskset = std::process::Command::new("taskset")
        .arg("--version")
        .output()
        .is_ok();
    if !has_taskset {
        return std::process::Command::new(program);
    }
    let mut command = std::process::Command::new("taskset");
    command.args(["-c", &processor.to_string()]).arg(program);
    command
}
