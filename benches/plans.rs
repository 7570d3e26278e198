//! How long it takes to read a plan of 10 to 100,000 tasks, in the native form and as plain boxes; texts
//! over the size limit of a plan are left out.
//!
//! `cargo bench --bench plans`; criterion compares with the run before. Figures that were measured
//! stand in docs/performance.md.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use orchestrate::plan::{ReadOptions, read};

/// Numbers of tasks.
const SIZES: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];

/// Tasks in phases of ten, each with a key list, every second one with a stated dependency.
fn native(tasks: u32) -> String {
    let mut text = String::from("# A generated plan\n");
    for number in 1..=tasks {
        if number % 10 == 1 {
            let phase = number / 10 + 1;
            let _ = write!(text, "\n## Phase {phase}: Part {phase}\n\n");
        }
        let _ = write!(
            text,
            "- [ ] T{number:06} Write part {number}\n  - **Agent**: command\n  - **Command**: `make part-{number}`\n  \
             - **Files**: `src/part_{number}.rs`, `tests/part_{number}/*`\n"
        );
        if number % 2 == 0 {
            let _ = writeln!(text, "  - **Depends on**: T{:06}", number - 1);
        }
    }
    text
}

/// A flat list of boxes with nothing stated.
fn boxes(tasks: u32) -> String {
    let mut text = String::from("# A generated plan\n\n");
    for number in 1..=tasks {
        let _ = writeln!(text, "- [ ] Write part {number} of the whole");
    }
    text
}

fn reading(criterion: &mut Criterion) {
    let options = ReadOptions::default();
    for (name, make) in [("native", native as fn(u32) -> String), ("boxes", boxes)] {
        let mut group = criterion.benchmark_group(format!("read a plan/{name}"));
        for tasks in SIZES {
            let text = make(tasks);
            if text.len() as u64 > ReadOptions::MAX_SIZE {
                // It would be refused, and that is not what is measured.
                continue;
            }
            if tasks >= 10_000 {
                group.sample_size(10).measurement_time(Duration::from_secs(10));
            }
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_with_input(BenchmarkId::from_parameter(tasks), &text, |bencher, text| {
                bencher.iter(|| read(black_box(text.as_bytes()), black_box(&options)));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = reading
}
criterion_main!(benches);
