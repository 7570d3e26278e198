//! Data made to be slow, big or broken: JSON, YAML and folders of task files, each as large as it is asked to be.
//! Used by the tests and by `benches/plans.rs`.

use std::fmt::Write as _;

use orchestrate::plan::PlanFile;

/// A kind of hostile data.
#[derive(Clone, Copy)]
pub(crate) struct DataShape {
    /// As shown.
    pub(crate) name: &'static str,
    /// The name of its file, by which it is known.
    pub(crate) path: &'static str,
    /// Makes one of about so many bytes.
    pub(crate) make: fn(usize) -> Vec<u8>,
}

const JSON: &str = ".taskmaster/tasks/tasks.json";
const RALPH: &str = "prd.json";
const YAML: &str = "stories.yaml";
const SPRINT: &str = "sprint-status.yaml";
const CARD: &str = "backlog/tasks/task-1.md";

/// All of them.
pub(crate) const DATA: &[DataShape] = &[
    DataShape {
        name: "tasks that each wait for the one before",
        path: JSON,
        make: |size| {
            list("{\"tasks\":[", size, "]}", |text, n| {
                write!(text, "{{\"id\":{n},\"title\":\"a\",\"dependencies\":[{}]}}", n - 1)
            })
        },
    },
    DataShape {
        name: "subtasks of one task",
        path: JSON,
        make: |size| {
            list("{\"tasks\":[{\"id\":1,\"subtasks\":[", size, "]}]}", |text, n| {
                write!(text, "{{\"id\":{n},\"dependencies\":[\"1.{}\"]}}", n / 2)
            })
        },
    },
    DataShape {
        name: "a parent for each subtask",
        path: JSON,
        make: |size| {
            list("{\"tasks\":[", size, "]}", |text, n| {
                write!(
                    text,
                    "{{\"id\":{n},\"status\":\"done\",\"subtasks\":[{{\"id\":1,\"status\":\"x\"}}]}}"
                )
            })
        },
    },
    DataShape {
        name: "tasks of one id",
        path: JSON,
        make: |size| list("{\"tasks\":[", size, "]}", |text, _| write!(text, "{{\"id\":1}}")),
    },
    DataShape {
        name: "one task that waits for what is not there",
        path: JSON,
        make: |size| {
            list("{\"tasks\":[{\"id\":1,\"dependencies\":[", size, "]}]}", |text, n| {
                write!(text, "\"gone-{n}\"")
            })
        },
    },
    DataShape {
        name: "tags of tasks",
        path: JSON,
        make: |size| list("{", size, "}", |text, n| write!(text, "\"t{n}\":{{\"tasks\":[{{\"id\":1}}]}}")),
    },
    DataShape {
        name: "keys of one task",
        path: JSON,
        make: |size| list("{\"tasks\":[{\"id\":1,", size, "}]}", |text, n| write!(text, "\"k{n}\":{n}")),
    },
    DataShape {
        name: "one key again and again",
        path: JSON,
        make: |size| list("{\"tasks\":[{", size, "}]}", |text, n| write!(text, "\"id\":{n}")),
    },
    DataShape {
        name: "a long text",
        path: JSON,
        make: |size| around("{\"tasks\":[{\"id\":1,\"details\":\"", &"a".repeat(size), "\"}]}"),
    },
    DataShape {
        name: "a long text of escapes",
        path: JSON,
        make: |size| around("{\"tasks\":[{\"id\":1,\"details\":\"", &"\\u00e9\\n".repeat(size / 8), "\"}]}"),
    },
    DataShape {
        name: "halves of surrogates",
        path: JSON,
        make: |size| around("{\"tasks\":[{\"id\":1,\"title\":\"", &"\\ud800".repeat(size / 6), "\"}]}"),
    },
    DataShape {
        name: "a text that does not end",
        path: JSON,
        make: |size| around("{\"tasks\":[{\"id\":\"", &"\\\"".repeat(size / 2), ""),
    },
    DataShape {
        name: "a long number",
        path: JSON,
        make: |size| around("{\"tasks\":[{\"id\":", &"9".repeat(size), "}]}"),
    },
    DataShape {
        name: "numbers beyond all types",
        path: JSON,
        make: |size| {
            list("{\"tasks\":[", size, "]}", |text, n| {
                write!(text, "{{\"id\":{n}e999,\"dependencies\":[-1e-999]}}")
            })
        },
    },
    DataShape { name: "deep lists", path: JSON, make: |size| around("{\"tasks\":", &"[".repeat(size), "") },
    DataShape {
        name: "deep objects",
        path: JSON,
        make: |size| around("{\"tasks\":", &"{\"a\":".repeat(size / 5), ""),
    },
    DataShape {
        name: "blanks",
        path: JSON,
        make: |size| around("{\"tasks\":[", &" \n".repeat(size / 2), "]}"),
    },
    DataShape {
        name: "stories by priority",
        path: RALPH,
        make: |size| {
            list("{\"userStories\":[", size, "]}", |text, n| {
                write!(text, "{{\"id\":\"S{n}\",\"title\":\"a\",\"priority\":{}}}", n % 7)
            })
        },
    },
    DataShape {
        name: "stories that wait",
        path: RALPH,
        make: |size| {
            list("{\"userStories\":[", size, "]}", |text, n| {
                write!(text, "{{\"id\":\"S{n}\",\"title\":\"a\",\"dependsOn\":[\"S{}\"]}}", n / 2)
            })
        },
    },
    DataShape {
        name: "a list of stories",
        path: YAML,
        make: |size| lines("", size, |text, n| writeln!(text, "- id: \"{n}\"\n  title: a")),
    },
    DataShape {
        name: "aliases of aliases",
        path: YAML,
        make: |size| {
            lines("a0: &a0 [x]\n", size, |text, n| {
                let last = format!("*a{},", n - 1).repeat(10);
                writeln!(text, "a{n}: &a{n} [{last}]")
            })
        },
    },
    DataShape {
        name: "one alias",
        path: YAML,
        make: |size| around("- &a {id: 1}\n- [", &"*a, ".repeat(size / 4), "]\n"),
    },
    DataShape { name: "deep flow", path: YAML, make: |size| around("- id: ", &"[".repeat(size), "\n") },
    DataShape {
        name: "a merge of merges",
        path: YAML,
        make: |size| lines("- &m0 {id: 1}\n", size, |text, n| writeln!(text, "- &m{n} {{<<: *m{}}}", n - 1)),
    },
    DataShape {
        name: "states of stories",
        path: SPRINT,
        make: |size| lines("development_status:\n", size, |text, n| writeln!(text, "  1-{n}-a: done")),
    },
    DataShape {
        name: "one state again and again",
        path: SPRINT,
        make: |size| lines("development_status:\n", size, |text, _| writeln!(text, "  1-1-a: done")),
    },
    DataShape {
        name: "criteria of a card",
        path: CARD,
        make: |size| {
            lines("---\nid: task-1\nstatus: To Do\n---\n## Acceptance Criteria\n", size, |text, n| {
                writeln!(text, "- [ ] #{n} a")
            })
        },
    },
    DataShape {
        name: "keys of a card",
        path: CARD,
        make: |size| {
            let mut text =
                lines("---\nid: task-1\nstatus: To Do\n", size, |text, n| writeln!(text, "k{n}: a"));
            text.extend(b"---\n");
            text
        },
    },
];

fn around(before: &str, text: &str, after: &str) -> Vec<u8> {
    [before, text, after].concat().into_bytes()
}

fn lines(before: &str, size: usize, write: fn(&mut String, usize) -> std::fmt::Result) -> Vec<u8> {
    let mut text = String::from(before);
    for number in 1.. {
        if text.len() >= size {
            break;
        }
        write(&mut text, number).expect("a string takes everything");
    }
    text.into_bytes()
}

fn list(
    before: &str,
    size: usize,
    after: &str,
    write: fn(&mut String, usize) -> std::fmt::Result,
) -> Vec<u8> {
    let mut text = String::from(before);
    for number in 1.. {
        if number > 1 {
            text.push(',');
        }
        write(&mut text, number).expect("a string takes everything");
        if text.len() >= size {
            break;
        }
    }
    text.push_str(after);
    text.into_bytes()
}

/// So many task files, each of which waits for the one before it, names a parent, or has a mistake of its own.
pub(crate) fn cards(count: usize) -> Vec<PlanFile> {
    let card = |number: usize| {
        let status = if number.is_multiple_of(3) { "Nobody knows" } else { "To Do" };
        let parent =
            if number % 50 == 7 { format!("parent_task_id: task-{}\n", number / 2) } else { String::new() };
        format!(
            "---\nid: task-{number}\ntitle: T\nstatus: {status}\ndependencies: [task-{}]\n{parent}---\n\nText.\n",
            number - 1
        )
    };
    (1..=count)
        .map(|number| PlanFile {
            path: format!("backlog/tasks/task-{number} - T.md"),
            bytes: card(number).into_bytes(),
        })
        .collect()
}
