//! How long it takes to read a plan, in two tables.
//!
//! The first compares, in turns in the same run: pulldown-cmark alone over the same bytes, our reading
//! without the graph of what waits for what, that graph, and all of it; of plans of 10 to 100,000 tasks, in the
//! native form and as plain boxes. The second reads plans that are made to be slow, each at one, two and four
//! times a size: what is linear takes about twice as long each time.
//!
//! `cargo bench --bench plans` for both, `-- speed` or `-- scaling` for one, further words choose rows by
//! their names. Figures that were measured stand in docs/performance.md.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::print_stdout, reason = "its tables are what it is for")]

#[path = "../tests/hostile/data.rs"]
mod data;
#[path = "../tests/hostile/shapes.rs"]
mod shapes;

use std::env;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use orchestrate::plan::{ReadOptions, draw_edges, read, read_folder, read_tasks};
use pulldown_cmark::{Options, Parser};

/// Numbers of tasks.
const SIZES: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];

/// Each row of the first table is measured so often, or for as long ...
const ROUNDS: usize = 200;
/// ... but not for longer than this.
const LONGEST: Duration = Duration::from_secs(4);

/// The smallest of the three sizes of the second table, in bytes.
const SMALL: usize = 500_000;
/// What takes longer is not tried at the next size.
const TOO_SLOW: Duration = Duration::from_secs(20);

fn main() {
    // `cargo bench` adds an option of its own.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let asked = |name: &str| words.iter().any(|word| word == name);
    let names: Vec<&String> =
        words.iter().filter(|word| !matches!(word.as_str(), "speed" | "scaling")).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    if asked("speed") || !asked("scaling") {
        speed(&wanted);
    }
    if asked("scaling") || !asked("speed") {
        scaling(&wanted);
    }
}

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

/// The bare pass of a Markdown library: the same options as our reading, every event made and dropped.
fn bare(text: &str) {
    let options = Options::ENABLE_TABLES | Options::ENABLE_GFM;
    for event in Parser::new_ext(black_box(text), options).into_offset_iter() {
        black_box(event);
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let made = black_box(work());
    (began.elapsed(), made)
}

fn speed(wanted: &dyn Fn(&str) -> bool) {
    println!(
        "| tasks | form | bytes | bare pulldown-cmark | reading without the graph | to bare | graph | all |"
    );
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    // No limit of size: 100,000 native tasks are more than is read unless asked for.
    let options = ReadOptions { max_size: u64::MAX, ..ReadOptions::default() };
    for (name, make) in [("boxes", boxes as fn(u32) -> String), ("native", native)] {
        for tasks in SIZES.into_iter().filter(|_| wanted(name)) {
            let text = make(tasks);
            let mut times: [Vec<Duration>; 4] = Default::default();
            let began = Instant::now();
            while times[0].len() < ROUNDS && (times[0].len() < 5 || began.elapsed() < LONGEST) {
                let (time, ()) = timed(|| bare(&text));
                times[0].push(time);
                let (time, mut plan) = timed(|| read_tasks(black_box(text.as_bytes()), black_box(&options)));
                times[1].push(time);
                let (time, ()) = timed(|| draw_edges(&mut plan));
                times[2].push(time);
                drop(plan);
                let (time, plan) = timed(|| read(black_box(text.as_bytes()), black_box(&options)));
                times[3].push(time);
                assert_eq!(plan.tasks.len(), usize::try_from(tasks).unwrap_or(usize::MAX));
            }
            let [bare, reading, graph, all] = times.map(median);
            println!(
                "| {tasks} | {name} | {} | {} | {} | {:.2} | {} | {} |",
                text.len(),
                milliseconds(bare),
                milliseconds(reading),
                reading.as_secs_f64() / bare.as_secs_f64(),
                milliseconds(graph),
                milliseconds(all)
            );
        }
    }
}

fn scaling(wanted: &dyn Fn(&str) -> bool) {
    println!("\n| shape | bytes | n | 2n | 4n | 4n to n | bare, 4n to n |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let options = ReadOptions { max_size: u64::MAX, ..ReadOptions::default() };
    for shape in shapes::SHAPES.iter().filter(|shape| wanted(shape.name)) {
        row(shape.name, &shape.make, &options);
    }
    for shape in data::DATA.iter().filter(|shape| wanted(shape.name)) {
        let options = ReadOptions { path: Some(shape.path.to_owned()), ..options.clone() };
        row(&format!("{}: {}", shape.path, shape.name), &shape.make, &options);
    }
    row_of_folders(wanted);
    for (name, bytes) in shapes::CLASSES.iter().filter(|(name, _)| wanted(name)) {
        row(&format!("bytes: {name}"), &|size| bytes.repeat(size / bytes.len()), &options);
    }
}

/// A folder of task files, in place of a text of so many bytes.
fn row_of_folders(wanted: &dyn Fn(&str) -> bool) {
    let name = "a folder of 1,250, 2,500 and 5,000 task files";
    if !wanted(name) {
        return;
    }
    let times = [1_250, 2_500, 5_000].map(|count| {
        let files = data::cards(count);
        let times = (0..5).map(|_| timed(|| read_folder(&files, &ReadOptions::default())).0);
        times.min().unwrap_or_default()
    });
    let [first, second, third] = times.map(milliseconds);
    let ratio = times[2].as_secs_f64() / times[0].as_secs_f64();
    println!("| {name} | - | {first} | {second} | {third} | {ratio:.1} | - |");
}

fn row(name: &str, make: &dyn Fn(usize) -> Vec<u8>, options: &ReadOptions) {
    let mut all = Vec::new();
    let mut bares = Vec::new();
    for factor in [1, 2, 4] {
        let bytes = make(SMALL * factor);
        // The least of them: whatever else the machine does only adds.
        let times = (0..5).map(|_| timed(|| read(&bytes, options)).0);
        all.push(times.min().unwrap_or_default());
        if let Ok(text) = std::str::from_utf8(&bytes)
            && factor != 2
        {
            bares.push(timed(|| bare(text)).0);
        }
        if all.last().is_some_and(|time| *time > TOO_SLOW) {
            break;
        }
    }
    let shown = |index: usize| all.get(index).map_or_else(|| "-".to_owned(), |time| milliseconds(*time));
    let ratio = |times: &[Duration], last: usize| match (times.first(), times.get(last)) {
        (Some(first), Some(last)) => format!("{:.1}", last.as_secs_f64() / first.as_secs_f64()),
        _ => "-".to_owned(),
    };
    println!(
        "| {name} | {SMALL} | {} | {} | {} | {} | {} |",
        shown(0),
        shown(1),
        shown(2),
        ratio(&all, 2),
        ratio(&bares, 1)
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    let number = time.as_secs_f64() * 1_000.0;
    if number < 10.0 { format!("{number:.3} ms") } else { format!("{number:.1} ms") }
}
