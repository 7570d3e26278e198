//! What becomes of output, however much and whatever it is.

use orchestrate::model::limits::Limits;
use orchestrate::model::outcome::{Ending, StopReason};
use orchestrate::model::reading::Stream;
use orchestrate::supervisor::{AttemptJob, Report};

use crate::harness::{Bench, deaf, is_valid};

const MEGABYTE: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn lines_arrive_whole_and_in_order_and_the_files_hold_every_byte() {
    let mut bench = Bench::new().await;
    let (job, heard) =
        bench.listening("T", &["lines:20000", "non-utf8", "error-line:oops", "no-newline:end", "pass"]);
    let key = job.key.clone();
    let ended = bench.end_of(job).await;
    let lines = heard.lines(Stream::Stdout);
    assert_eq!(lines.len(), 20_002);
    assert_eq!(lines[19_999], b"line 20000");
    assert_eq!(lines[20_000], b"\xff\xfe caf\xe9 \xc3\x28");
    assert_eq!(lines[20_001], b"end");
    assert_eq!(heard.lines(Stream::Stderr), [b"oops".to_vec()]);
    assert_eq!(bench.log(&key, "stdout.log").len() as u64, ended.stdout_bytes);
    assert_eq!(bench.log(&key, "stderr.log"), b"oops\n");
    assert_eq!(ended.stderr_bytes, 5);
    assert_eq!(ended.reading.turns, Some(20_003), "the reader had its last word after the last line");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_pass_in_bounded_memory() {
    let mut bench = Bench::alone().await;
    for (task, reader) in [("piped", None), ("direct", Some(deaf()))] {
        let mut job = bench.job(task, &["print:100000000", "pass"]);
        if let Some(reader) = reader {
            job.reader = reader;
        } else {
            job.reader = Box::new(Counter::default());
        }
        let before = peak_memory();
        let ended = bench.end_of(job).await;
        assert_eq!(ended.outcome.ending, Ending::Exited { code: 0 }, "{task}");
        assert_eq!(ended.stdout_bytes, 100 * MEGABYTE, "{task}");
        assert!(is_valid(&ended.completion), "{task}");
        let more = peak_memory().saturating_sub(before);
        assert!(more < 40 * MEGABYTE, "{task}: {more} more");
    }
}

/// Counts lines instead of keeping them.
#[derive(Default)]
struct Counter(u32);

impl orchestrate::model::reading::OutputReader for Counter {
    fn line(&mut self, _: Stream, line: &[u8]) -> Option<orchestrate::model::reading::LineNews> {
        assert!(line.len() <= 99);
        self.0 += 1;
        None
    }

    fn finish(&mut self, _: &orchestrate::model::outcome::Outcome) -> orchestrate::model::reading::Reading {
        orchestrate::model::reading::Reading { turns: Some(self.0), ..Default::default() }
    }
}

/// The most memory that this process has had, in bytes; nothing where that is not told.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).map_or(0, |kb| kb * 1024)
}

fn output_limit(bytes: u64) -> Limits {
    Limits { output: Some(bytes), ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_without_end_is_stopped_and_the_disk_is_spared() {
    let mut bench = Bench::new().await;
    for (task, reader) in [("piped", None), ("direct", Some(deaf()))] {
        let mut job = AttemptJob { limits: output_limit(MEGABYTE), ..bench.job(task, &["flood"]) };
        if let Some(reader) = reader {
            job.reader = reader;
        }
        let key = job.key.clone();
        let ended = bench.end_of(job).await;
        assert!(
            matches!(&ended.outcome.stopped, Some(StopReason::OverLimit { seen })
                if seen.starts_with("output: ") && seen.contains(", allowed ")),
            "{task}: {ended:?}"
        );
        assert_eq!(ended.stdout_bytes, MEGABYTE, "{task}");
        assert_eq!(bench.log(&key, "stdout.log").len() as u64, MEGABYTE, "{task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_doing_is_reported() {
    let mut bench = Bench::new().await;
    bench.supervisor.start(bench.job("T", &["line:doing edit src/a.rs", "wait-for:go", "pass"]));
    let mut said = Vec::new();
    loop {
        match bench.next().await {
            Report::Started { pid, .. } => said.push(format!("started {}", pid > 0)),
            Report::Doing { text, .. } => {
                said.push(text);
                std::fs::write(bench.path("go"), "").unwrap();
            }
            Report::Ended { .. } => break,
            Report::Used { .. } => panic!("its reader knows of no use"),
            Report::Checked { .. } => panic!("nothing was checked"),
        }
    }
    assert_eq!(said, ["started true", "edit src/a.rs"]);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_attempt_and_is_said() {
    let mut bench = Bench::new().await;
    let job = bench.job("T", &["flood"]);
    std::os::unix::fs::symlink("/dev/full", job.folder.join("stdout.log")).unwrap();
    let ended = bench.end_of(job).await;
    assert!(
        matches!(&ended.outcome.stopped, Some(StopReason::OverLimit { seen })
            if seen.contains("stdout.log") && seen.contains("No space left")),
        "{ended:?}"
    );
}
