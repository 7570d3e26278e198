//! Plans that are made to be slow, big or broken: reading them takes work and memory that grow with their size
//! and not faster, and never fails.
//!
//! Work is counted and not timed: bytes that are asked for from the allocator, in how many pieces, and the most that
//! are held at once. What loops without asking for memory shows in the table of `benches/plans.rs`.

mod counting;
mod data;
mod promises;
mod shapes;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use orchestrate::plan::{Plan, ReadOptions, read, read_folder};

/// Sizes of the texts whose work is compared, in bytes: big enough that tables of fixed size do not count.
const SMALL: usize = 12_000;
const LARGE: usize = 4 * SMALL;

/// Four times the text, edges included, may take so many times the work. Vectors double, so it is no exact four.
const MOST_GROWTH: usize = 6;

/// What an edge weighs beside the bytes of a text.
const BYTES_OF_AN_EDGE: usize = 100;

/// Work that is not looked at, in bytes: what a text costs however small it is.
const FIXED: usize = 192 * 1024;

/// The most memory that is held at once for each byte of the text: a box of six bytes becomes a task.
const MOST_FOR_A_BYTE: usize = 700;

/// What the most edges that a plan may state take, in bytes, however short the text that states them.
const MOST_EDGES: usize = 256 * 1024 * 1024;

/// Where no more tasks are made of a text than this, it costs no more than so much.
const SIZE_OF_CLASSES: usize = 1024 * 1024;

#[test]
fn four_times_the_text_is_four_times_the_work() {
    let options = ReadOptions::default();
    let mut findings = Vec::new();
    for shape in shapes::SHAPES {
        let small = (shape.make)(SMALL);
        let large = (shape.make)(LARGE);
        let (less, few) = counting::count(|| read(&small, &options));
        let (more, many) = counting::count(|| read(&large, &options));
        // A range names many tasks in few bytes: edges that are stated are part of the answer's size.
        let size = |text: &[u8], plan: &Plan| text.len() + BYTES_OF_AN_EDGE * plan.edges.len();
        let times = (size(&large, &many) / size(&small, &few)).max(4);
        for (what, less, more) in [
            ("bytes", less.bytes, more.bytes),
            ("pieces", less.pieces * 100, more.pieces * 100),
            ("bytes at once", less.most, more.most),
        ] {
            let allowed = less.max(FIXED / 4) * times * MOST_GROWTH / 4;
            if more.saturating_sub(FIXED) > allowed {
                findings.push(format!(
                    "{}: {what} grow from {less} to {more}, where the text grows {times} times",
                    shape.name
                ));
            }
        }
        if more.most > MOST_EDGES.max(MOST_FOR_A_BYTE * large.len()) {
            findings.push(format!("{}: {} bytes at once for {} bytes", shape.name, more.most, large.len()));
        }
    }
    assert!(findings.is_empty(), "{} found:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn four_times_the_data_is_four_times_the_work() {
    let mut findings = Vec::new();
    for shape in data::DATA {
        let options = ReadOptions { path: Some(shape.path.to_owned()), ..ReadOptions::default() };
        let (small, large) = ((shape.make)(SMALL), (shape.make)(LARGE));
        let (less, few) = counting::count(|| read(&small, &options));
        let (more, many) = counting::count(|| read(&large, &options));
        for (what, less, more) in [
            ("bytes", less.bytes, more.bytes),
            ("pieces", less.pieces * 100, more.pieces * 100),
            ("bytes at once", less.most, more.most),
        ] {
            if more.saturating_sub(FIXED) > less.max(FIXED / 4) * MOST_GROWTH {
                findings.push(format!("{}: {what} grow from {less} to {more}", shape.name));
            }
        }
        for plan in [few, many] {
            for told in plan.diagnostics.iter().filter(|told| told.is_error()) {
                if told.message.is_empty() || told.message.len() > 2_000 {
                    findings.push(format!("{}: a message of {} bytes", shape.name, told.message.len()));
                }
            }
            if plan.tasks.is_empty() && !plan.has_errors() {
                findings.push(format!("{}: no task, and no mistake", shape.name));
            }
        }
    }
    assert!(findings.is_empty(), "{} found:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn a_folder_of_thousands_of_cards_is_read() {
    let (small, large) = (data::cards(1_250), data::cards(5_000));
    let options = ReadOptions::default();
    let (less, _) = counting::count(|| read_folder(&small, &options));
    let (more, plan) = counting::count(|| read_folder(&large, &options));
    assert!(plan.tasks.len() > 4_500, "{} tasks", plan.tasks.len());
    assert!(more.bytes < less.bytes * MOST_GROWTH, "{} bytes after {}", more.bytes, less.bytes);
    assert!(more.most < less.most * MOST_GROWTH, "{} bytes after {}", more.most, less.most);
}

#[test]
fn a_hundred_thousand_tasks_of_json_are_read() {
    let mut text = String::from("{\"tasks\":[{\"id\":0}");
    for number in 1..100_000 {
        write!(text, ",{{\"id\":{number},\"dependencies\":[{}]}}", number - 1).unwrap();
    }
    text += "]}";
    let options = ReadOptions { path: Some("tasks.json".to_owned()), ..ReadOptions::default() };
    let plan = read(text.as_bytes(), &options);
    assert_eq!((plan.tasks.len(), plan.edges.len()), (100_000, 99_999));
    assert_eq!(plan.diagnostics, []);
}

#[test]
fn broken_data_is_refused_with_a_place() {
    let told = |text: &[u8], path: &str| {
        let options = ReadOptions { path: Some(path.to_owned()), ..ReadOptions::default() };
        let plan = read(text, &options);
        let told = plan.diagnostics.iter().find(|told| told.is_error());
        told.map_or(("", 0), |told| (told.code, told.place.line))
    };
    for (text, code, line) in [
        (&b"{\"tasks\": [\n{\"id\": 1, \"title\": \"a\xff\"}]}"[..], "not-utf8", 2),
        (b"{\"tasks\": [\n{\"id\": 1, \"title\": \"a\0\"}]}", "bad-json", 2),
        (b"{\"tasks\": [\n{\"id\": 1, \"title\": \"\\ud800\"}]}", "bad-json", 2),
        (b"{\"tasks\": [\n{\"id\": 1},\n{\"id\": 2, \"ti", "bad-json", 3),
        (b"{\"tasks\": [\n{\"id\": 1e}]}", "bad-json", 2),
        (b"{\"tasks\": [\n{\"id\": 1}, {\"id\": 1}]}", "duplicate-id", 2),
    ] {
        assert_eq!(told(text, "tasks.json"), (code, line), "{}", String::from_utf8_lossy(text));
    }
    assert_eq!(told(b"- id: 1\n- id: \xff\n", "stories.yaml"), ("not-utf8", 2));
    assert_eq!(told(b"- id: 1\n- id: [\n", "stories.yaml").0, "bad-yaml");
    let marked = b"\xef\xbb\xbf{\"tasks\": [{\"id\": 1}]}";
    assert_eq!(told(marked, "tasks.json"), ("", 0), "a mark of byte order is no mistake");
}

#[test]
fn every_shape_keeps_the_promises() {
    for shape in shapes::SHAPES {
        println!("{}", shape.name);
        promises::keep(&[b"  ".to_vec(), (shape.make)(3_000)].concat());
    }
}

#[test]
fn bytes_of_every_class_are_read() {
    for (name, bytes) in shapes::CLASSES {
        println!("{name}");
        let text = bytes.repeat(SIZE_OF_CLASSES / bytes.len());
        let (work, plan) = counting::count(|| read(&text, &ReadOptions::default()));
        assert!(plan.tasks.is_empty(), "{name} are no tasks");
        assert!(plan.has_errors(), "{name} are no plan");
        assert!(work.most < FIXED + 100 * text.len(), "{name} take {} bytes at once", work.most);
        promises::keep(&[b"  ".to_vec(), bytes.repeat(2_000)].concat());
    }
}

#[test]
fn what_is_too_big_is_refused_before_it_is_read() {
    let text = vec![b'a'; 9 * 1024 * 1024];
    let (work, plan) = counting::count(|| read(&text, &ReadOptions::default()));
    assert_eq!(plan.diagnostics[0].code, "too-large");
    assert!(work.bytes < 10_000, "{} bytes", work.bytes);
}

#[test]
fn more_tasks_than_memory_is_meant_for_are_refused() {
    let options = ReadOptions::default();
    let text = "- []\n".repeat(310_000);
    let (work, plan) = counting::count(|| read(text.as_bytes(), &options));
    assert_eq!(plan.diagnostics[0].code, "too-large");
    assert!(plan.tasks.is_empty());
    assert!(work.most < 100 * text.len(), "{} bytes at once", work.most);
}

#[test]
fn a_hundred_thousand_boxes_are_read() {
    let text =
        (0..100_000).fold(String::new(), |text, number| text + &format!("- [ ] Write part {number}\n"));
    let plan = read(text.as_bytes(), &ReadOptions::default());
    assert_eq!(plan.tasks.len(), 100_000);
    assert_eq!(plan.tasks[99_999].id.as_str(), "write-part-99999");
    assert_eq!(plan.tasks[99_999].line, 100_000);
    assert!(plan.diagnostics.is_empty(), "{:?}", plan.diagnostics.first());
}

/// What the fuzzer found, and seeds from which it sets out.
#[test]
fn the_corpus_of_the_fuzzer_keeps_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/read");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is part of the repository") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        promises::keep(&fs::read(&path).expect("a file that can be read"));
        seen += 1;
    }
    assert!(seen >= 20, "{seen} files in {}", folder.display());
}
