//! Plans made to be slow, big or deep, each as long as it is asked to be. Used by the tests and by
//! `benches/plans.rs`, so that what is tested is what is measured.

use std::fmt::Write as _;

/// A kind of hostile plan.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// As shown.
    pub(crate) name: &'static str,
    /// Makes one of about so many bytes.
    pub(crate) make: fn(usize) -> Vec<u8>,
}

/// All of them.
pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "boxes",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] Write part {n} of the whole")),
    },
    Shape { name: "boxes with one title", make: |size| repeated(size, "- [ ] a\n") },
    Shape {
        name: "boxes with ids",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] T{n:06} Write part {n}")),
    },
    Shape { name: "boxes with one id", make: |size| repeated(size, "- [ ] T001 a\n") },
    Shape {
        name: "made ids that collide",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] a {}", n % 7 + 2)),
    },
    Shape {
        name: "ids that collide and numbered ones",
        make: |size| {
            lines(
                size,
                |text, n| if n % 2 == 0 { writeln!(text, "- [ ] a") } else { writeln!(text, "- [ ] a-{n}") },
            )
        },
    },
    Shape {
        name: "numbers that start again in groups",
        make: |size| {
            lines(size, |text, n| {
                writeln!(text, "## Phase {n}: a\n### Task 1: b\n### Task 2: c\n- **Depends on**: 1")
            })
        },
    },
    Shape {
        name: "deep list",
        make: |size| lines(size, |text, n| writeln!(text, "{}- [ ] a{n}", "  ".repeat(n % 200))),
    },
    Shape {
        name: "deep list of ids",
        make: |size| lines(size, |text, n| writeln!(text, "{}- [ ] T{n} a", "  ".repeat(n % 120))),
    },
    Shape { name: "stairs of spaces", make: |size| stairs(size, " ", "- a") },
    Shape { name: "stairs of quotes", make: |size| stairs(size, "> ", "a") },
    Shape { name: "stairs of bullets", make: |size| stairs(size, "- ", "a") },
    Shape { name: "quotes in a line", make: |size| repeated(size, "> ") },
    Shape { name: "bullets in a line", make: |size| repeated(size, "- ") },
    Shape { name: "numbers in a line", make: |size| repeated(size, "1. ") },
    Shape { name: "brackets that open", make: |size| repeated(size, "[") },
    Shape { name: "brackets in an item", make: |size| one_item(size, "[") },
    Shape { name: "links in an item", make: |size| one_item(size, "[a](b) ") },
    Shape { name: "links that do not close", make: |size| one_item(size, "[a](") },
    Shape { name: "links without a start", make: |size| one_item(size, "](a)") },
    Shape { name: "parentheses in an item", make: |size| one_item(size, "(a) ") },
    Shape { name: "parentheses that open", make: |size| one_item(size, "(") },
    Shape { name: "parentheses that close", make: |size| one_item(size, ")") },
    Shape { name: "braces in an item", make: |size| one_item(size, "{a=b} ") },
    Shape { name: "stars in an item", make: |size| one_item(size, "*") },
    Shape { name: "stars and letters", make: |size| one_item(size, "*a **b ") },
    Shape { name: "underscores", make: |size| one_item(size, "_a_") },
    Shape { name: "tildes", make: |size| one_item(size, "~~a") },
    Shape { name: "code spans of growing length", make: |size| growing(size, "`", "a") },
    Shape { name: "marks of code in an item", make: |size| one_item(size, "`a``") },
    Shape { name: "signs of a status", make: |size| one_item(size, "✅") },
    Shape { name: "variation selectors", make: |size| one_item(size, "\u{fe0f}✅ ") },
    Shape { name: "weights at the end", make: |size| one_item(size, " - HIGH") },
    Shape { name: "dashes in an item", make: |size| one_item(size, " - DEFERRED a") },
    Shape { name: "tags before a title", make: |size| one_item(size, "[P]") },
    Shape { name: "stories before a title", make: |size| one_item(size, "[US1] ") },
    Shape { name: "an id without end", make: |size| one_item(size, "A-") },
    Shape { name: "a number without end", make: |size| one_item(size, "1.") },
    Shape { name: "combining marks", make: |size| one_item(size, "e\u{301}\u{323}") },
    Shape { name: "only combining marks", make: |size| one_item(size, "\u{323}\u{301}") },
    Shape { name: "ligatures that grow", make: |size| one_item(size, "\u{fdfa}") },
    Shape {
        name: "lines of a paragraph",
        make: |size| {
            let mut text = b"- [ ] a\n".to_vec();
            text.extend(repeated(size, "  b\n"));
            text
        },
    },
    Shape { name: "ten long lines", make: |size| lines_of(size, size / 10) },
    Shape {
        name: "fences that do not close",
        make: |size| lines(size, |text, n| writeln!(text, "## {n}\n```\na")),
    },
    Shape { name: "fences that grow", make: |size| growing(size, "`", "\n") },
    Shape { name: "fences in turns", make: |size| repeated(size, "```\n- [ ] T1 a\n```\n") },
    Shape { name: "fences below items", make: |size| repeated(size, "- a\n  ```\n  b\n") },
    Shape {
        name: "fences in items that close far below",
        make: |size| {
            let mut text = repeated(size, "- a\n  ~~~\n");
            text.extend(b"~~~\n");
            text
        },
    },
    Shape {
        name: "fences of a field",
        make: |size| {
            let mut text = b"- [ ] T001 a\n  - **Verify**:\n".to_vec();
            text.extend(repeated(size, "    ```sh\n    b\n    ```\n"));
            text
        },
    },
    Shape {
        name: "fences between ids",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] T{n} a\n```\n- [ ] T{n}9 b\n```")),
    },
    Shape { name: "comments that do not close", make: |size| repeated(size, "<!-- a\n") },
    Shape { name: "comments on a line", make: |size| one_item(size, "<!-- a -->") },
    Shape { name: "comments on lines", make: |size| repeated(size, "- [ ] a <!-- b --> c\n") },
    Shape {
        name: "a comment over many items",
        make: |size| [b"<!--\n".to_vec(), repeated(size, "- [ ] a\n")].concat(),
    },
    Shape {
        name: "comments in one block of html",
        make: |size| [b"<div>\n".to_vec(), repeated(size, "<!-- a --> <!--\n-->\n")].concat(),
    },
    Shape { name: "html that does not close", make: |size| repeated(size, "<a <b ") },
    Shape { name: "html on lines", make: |size| repeated(size, "<?a\n") },
    Shape { name: "entities", make: |size| one_item(size, "&amp;&#0;&") },
    Shape { name: "autolinks", make: |size| one_item(size, "<a:b") },
    Shape { name: "references", make: |size| lines(size, |text, n| writeln!(text, "[a{n}]: b\n[a{n}]")) },
    Shape {
        name: "headings",
        make: |size| lines(size, |text, n| writeln!(text, "{} a{n}", "#".repeat(n % 6 + 1))),
    },
    Shape {
        name: "headings and boxes",
        make: |size| lines(size, |text, n| writeln!(text, "## Group {n}\n- [ ] T{n} a")),
    },
    Shape { name: "empty phases", make: phases },
    Shape { name: "stories that are named", make: stories },
    Shape { name: "rulers", make: |size| repeated(size, "a\n---\n") },
    Shape { name: "marks of headings", make: |size| repeated(size, "#") },
    Shape {
        name: "closed headings",
        make: |size| lines(size, |text, n| writeln!(text, "## Notes {n}\n- [ ] a\n## b\n- [ ] c")),
    },
    Shape {
        name: "closed headings in each other",
        make: |size| lines(size, |text, n| writeln!(text, "{} Notes {n}\n- [ ] a", "#".repeat(n % 6 + 1))),
    },
    Shape { name: "a table of many rows", make: table },
    Shape { name: "a table of many columns", make: wide_table },
    Shape {
        name: "many tables",
        make: |size| lines(size, |text, n| writeln!(text, "| ID | Task |\n|---|---|\n| A-{n} | b |\n")),
    },
    Shape { name: "borders in a line", make: |size| [b"|a|\n|-|\n".to_vec(), repeated(size, "|")].concat() },
    Shape { name: "one task waits for all", make: one_waits },
    Shape {
        name: "dependencies that are words",
        make: |size| {
            [b"- [ ] T001 a\n  - **Depends on**: ".to_vec(), repeated(size, "some words, ")].concat()
        },
    },
    Shape {
        name: "a word for each task to wait for",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] T{n} a\n  - **Depends on**: word{n}")),
    },
    Shape {
        name: "sentences about one group",
        make: |size| {
            let mut text = b"## Setup\n- [ ] a\n## Other\n- [ ] b\n## Dependencies\n".to_vec();
            text.extend(lines(size, |text, n| {
                writeln!(text, "- **Setup**: Depends on Other, T{n}\n- **Other**: Depends on all previous")
            }));
            text
        },
    },
    Shape {
        name: "dependencies that are missing",
        make: |size| [b"- [ ] T001 a\n  - **Depends on**: ".to_vec(), repeated(size, "T002, ")].concat(),
    },
    Shape {
        name: "dependencies of another plan",
        make: |size| [b"- [ ] T001 a\n  - **Depends on**: ".to_vec(), repeated(size, "ABC-2, ")].concat(),
    },
    Shape { name: "ranges of all tasks", make: ranges },
    Shape {
        name: "a range far beyond",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] T{n:06} a (depends on T000001-T999999)")),
    },
    Shape { name: "tasks that all name one group", make: group_named },
    Shape { name: "groups that name all groups", make: groups_named },
    Shape {
        name: "a ring of all tasks",
        make: |size| lines(size, |text, n| writeln!(text, "- [ ] T{n:06} a (depends on T{:06})", n + 1)),
    },
    Shape {
        name: "a chain backwards",
        make: |size| {
            lines(size, |text, n| {
                writeln!(text, "- [ ] T{n:06} [P] a (depends on T{:06})", n.saturating_sub(1))
            })
        },
    },
    Shape {
        name: "marks that free",
        make: |size| {
            lines(size, |text, n| writeln!(text, "- [ ] T{n:06} {}a", if n % 50 == 0 { "" } else { "[P] " }))
        },
    },
    Shape {
        name: "phases of free tasks",
        make: |size| {
            lines(size, |text, n| {
                if n % 2_000 == 0 {
                    writeln!(text, "## Phase {}: b", n / 2_000)
                } else {
                    writeln!(text, "- [ ] a {n}")
                }
            })
        },
    },
    Shape {
        name: "one file for all",
        make: |size| {
            lines(size, |text, n| writeln!(text, "- [ ] T{n:06} a\n  - **Files**: `src/a.rs`, `src/**`"))
        },
    },
    Shape {
        name: "a file in deep folders",
        make: |size| {
            [b"- [ ] T001 a\n  - **Files**: `".to_vec(), repeated(size, "a/"), b"b.rs`\n".to_vec()].concat()
        },
    },
    Shape {
        name: "files of a task",
        make: |size| {
            [b"- [ ] T001 a\n  - **Files**: ".to_vec(), lines(size, |text, n| write!(text, "`a/{n}.rs`, "))]
                .concat()
        },
    },
    Shape {
        name: "fields of a task",
        make: |size| {
            [b"- [ ] T001 a\n".to_vec(), lines(size, |text, n| writeln!(text, "  - **Agent**: a{n}"))]
                .concat()
        },
    },
    Shape {
        name: "fields on a line",
        make: |size| [b"- [ ] T001 a\n  - ".to_vec(), repeated(size, "**Depends on**: T001 | ")].concat(),
    },
    Shape {
        name: "values of a field",
        make: |size| {
            [
                b"- [ ] T001 a\n  - **Files**:\n".to_vec(),
                lines(size, |text, n| writeln!(text, "    - `a/{n}`")),
            ]
            .concat()
        },
    },
    Shape {
        name: "fields that are not indented",
        make: |size| repeated(size, "- [ ] a\n\n**Goal:** b\n\n**Files:** `c`\n\n"),
    },
    Shape {
        name: "items without a box",
        make: |size| [b"- [ ] a\n\n**Goal:** b\n\n".to_vec(), repeated(size, "- c\n")].concat(),
    },
    Shape { name: "boxes below numbered items", make: |size| repeated(size, "1. **a**\n   - [ ] b\n") },
    Shape { name: "bad values", make: |size| repeated(size, "- [ ] a\n  - **Timeout**: x\n") },
    Shape { name: "unknown marks", make: |size| repeated(size, "- [~] a\n") },
    Shape { name: "attributes", make: |size| repeated(size, "- [ ] a {agent=b nobody=c timeout=1m}\n") },
    Shape {
        name: "an attribute list without end",
        make: |size| [b"- [ ] a {".to_vec(), repeated(size, "agent=b "), b"}\n".to_vec()].concat(),
    },
    Shape { name: "returns", make: |size| repeated(size, "- [ ] a\r") },
    Shape { name: "mixed endings", make: |size| repeated(size, "- [ ] a\r- [ ] b\n- [ ] c\r\n\n\r\r\n") },
    Shape { name: "empty lines", make: |size| repeated(size, "\n") },
    Shape { name: "front matter of aliases", make: bomb },
    Shape {
        name: "front matter of one alias",
        make: |size| matter(&[b"a: &a x\nb: [".to_vec(), repeated(size, "*a, "), b"]\n".to_vec()].concat()),
    },
    Shape {
        name: "front matter of a long text",
        make: |size| matter(&[b"title: \"".to_vec(), repeated(size, "a"), b"\"\n".to_vec()].concat()),
    },
    Shape {
        name: "front matter of a folded text",
        make: |size| matter(&[b"title: >\n".to_vec(), repeated(size, "  a b\n\n")].concat()),
    },
    Shape {
        name: "front matter of deep lists",
        make: |size| matter(&[b"a: ".to_vec(), repeated(size, "[")].concat()),
    },
    Shape {
        name: "front matter of deep maps",
        make: |size| matter(&[b"a: ".to_vec(), repeated(size, "{a: ")].concat()),
    },
    Shape { name: "front matter of deep blocks", make: |size| matter(&stairs(size, " ", "a:")) },
    Shape {
        name: "front matter of many keys",
        make: |size| matter(&lines(size, |text, n| writeln!(text, "key{n}: a"))),
    },
    Shape {
        name: "front matter of unknown keys",
        make: |size| {
            matter(
                &[b"orchestrate:\n".to_vec(), lines(size, |text, n| writeln!(text, "  key{n}: a"))].concat(),
            )
        },
    },
    Shape { name: "front matter of todos", make: todos },
    Shape {
        name: "front matter that does not end",
        make: |size| [b"---\n".to_vec(), repeated(size, "a: b\n")].concat(),
    },
    Shape {
        name: "todos of one id",
        make: |size| matter(&[b"todos:\n".to_vec(), repeated(size, "  - id: a\n    content: b\n")].concat()),
    },
];

/// Text that is no plan at all: bytes of one class.
pub(crate) const CLASSES: &[(&str, &[u8])] = &[
    ("zeros", b"\0"),
    ("controls", b"\x01\x02\x07\x08\x1b\x7f"),
    ("blanks", b" "),
    ("tabs", b"\t"),
    ("newlines", b"\n"),
    ("returns", b"\r"),
    ("digits", b"0123456789"),
    ("letters", b"abcXYZ"),
    ("signs", b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    ("two bytes", "žß".as_bytes()),
    ("three bytes", "验の".as_bytes()),
    ("four bytes", "🎯𝒜".as_bytes()),
    ("marks that combine", "\u{301}\u{20dd}".as_bytes()),
    ("directions and joiners", "\u{202e}\u{200d}\u{2066}".as_bytes()),
    ("marks of byte order", "\u{feff}".as_bytes()),
    ("first bytes alone", b"\xc3"),
    ("later bytes alone", b"\x80"),
    ("bytes that are never text", b"\xff\xfe"),
    ("surrogates", b"\xed\xa0\x80"),
    ("too long forms", b"\xc0\x80"),
];

/// One text again and again.
pub(crate) fn repeated(size: usize, text: &str) -> Vec<u8> {
    text.repeat(size / text.len() + 1).into_bytes()
}

/// Text that a function writes for 1, 2, 3 and so on.
fn lines(size: usize, write: fn(&mut String, usize) -> std::fmt::Result) -> Vec<u8> {
    let mut text = String::with_capacity(size + 64);
    let mut number = 1;
    while text.len() < size {
        write(&mut text, number).expect("a string takes everything");
        number += 1;
    }
    text.into_bytes()
}

/// A box whose title goes on and on.
fn one_item(size: usize, text: &str) -> Vec<u8> {
    [b"- [ ] ".to_vec(), repeated(size, text), b"\n- [ ] b\n".to_vec()].concat()
}

/// Lines that each begin one step further to the right, as many as fit.
fn stairs(size: usize, step: &str, end: &str) -> Vec<u8> {
    let mut text = String::new();
    let mut steps = 0;
    while text.len() < size {
        text.push_str(&step.repeat(steps));
        text.push_str(end);
        text.push('\n');
        steps += 1;
    }
    text.into_bytes()
}

/// Runs of a mark that grow by one each time, on one line or on many.
fn growing(size: usize, mark: &str, between: &str) -> Vec<u8> {
    let mut text = String::from("- [ ] ");
    let mut length = 1;
    while text.len() < size {
        text.push_str(&mark.repeat(length));
        text.push_str(between);
        length += 1;
    }
    text.into_bytes()
}

fn lines_of(size: usize, length: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < size {
        text.extend(b"- [ ] ");
        text.extend(repeated(length, "some words of a title, "));
        text.push(b'\n');
    }
    text
}

fn matter(yaml: &[u8]) -> Vec<u8> {
    [b"---\n", yaml, b"\n---\n- [ ] a\n"].concat()
}

/// Each list holds the one before it ten times.
fn bomb(size: usize) -> Vec<u8> {
    let mut yaml = String::from("a0: &a0 [x]\n");
    let mut number = 1;
    while yaml.len() < size {
        let list = vec![format!("*a{}", number - 1); 10].join(", ");
        let _ = writeln!(yaml, "a{number}: &a{number} [{list}]");
        number += 1;
    }
    matter(yaml.as_bytes())
}

fn todos(size: usize) -> Vec<u8> {
    let mut yaml = String::from("todos:\n");
    let mut number = 1;
    while yaml.len() < size {
        let _ = writeln!(yaml, "  - id: t{number}\n    content: a\n    dependencies: [t{}]", number / 2);
        number += 1;
    }
    matter(yaml.as_bytes())
}

/// Phases without tasks, and tasks that wait for phases.
fn phases(size: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut number = 1;
    while text.len() < size {
        let _ = writeln!(
            text,
            "## Phase {number}: a\n## Phase x{number}\n- [ ] T{number} b\n  - **Depends on**: Phase {number}"
        );
        number += 1;
    }
    text.into_bytes()
}

/// Stories, and a list that says of each what it waits for.
fn stories(size: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut number = 1;
    while text.len() < size / 2 {
        let _ = writeln!(text, "## Phase {number}: User Story {number}\n- [ ] T{number:05} a");
        number += 1;
    }
    text.push_str("## Dependencies\n");
    for story in 1..number {
        let _ = writeln!(
            text,
            "- **US{story} (Phase {story})**: Depends on Phase {}, US{}",
            number - story,
            story / 2
        );
    }
    text.push_str("- **Polish**: Depends on all user stories\n");
    text.into_bytes()
}

fn table(size: usize) -> Vec<u8> {
    let mut text = String::from("| ID | Task | Depends on | Files |\n|---|---|---|---|\n");
    let mut number = 1;
    while text.len() < size {
        let _ = writeln!(text, "| A-{number} | Write `a` \\| b | A-{} | `src/{number}.rs` |", number / 2);
        number += 1;
    }
    text.into_bytes()
}

fn wide_table(size: usize) -> Vec<u8> {
    let columns = size / 24;
    let row = |cell: &str| format!("|{}\n", format!("{cell}|").repeat(columns));
    [row("Task"), row("---"), row("ID-1"), row("x")].concat().into_bytes()
}

/// Half of the text is tasks, the other half is one that names them all.
fn one_waits(size: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut number = 1;
    while text.len() < size / 2 {
        let _ = writeln!(text, "- [ ] T{number:06} [P] a");
        number += 1;
    }
    text.push_str("- [ ] T000000 b\n  - **Depends on**: ");
    for task in 1..number {
        let _ = write!(text, "T{task:06}, ");
    }
    text.into_bytes()
}

/// Every task waits for the range of all before it.
fn ranges(size: usize) -> Vec<u8> {
    lines(size, |text, number| {
        let before = number.saturating_sub(1);
        writeln!(text, "- [ ] T{number:06} a (depends on T000001-T{before:06})")
    })
}

/// Half of the tasks are in a group, the others name it.
fn group_named(size: usize) -> Vec<u8> {
    let mut text = String::from("## Phase 1: Setup\n\n");
    let mut number = 1;
    while text.len() < size / 2 {
        let _ = writeln!(text, "- [ ] a {number}");
        number += 1;
    }
    text.push_str("\n## Phase 2: All of them\n\n");
    while text.len() < size {
        let _ = writeln!(text, "- [ ] b {number} (depends on Phase 1)");
        number += 1;
    }
    text.into_bytes()
}

fn groups_named(size: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut number = 1;
    // The edges are as many as the square of the groups, until they are too many.
    while text.len() < size / 4 {
        let _ = writeln!(
            text,
            "## Phase {number}: a\n\n- **Depends on**: Phases 1-{}\n\n- [ ] b\n- [ ] c\n",
            number - 1
        );
        number += 1;
    }
    text.into_bytes()
}
