//! A plan at random: tasks that write down when they begin and end, and leave strays meanwhile.

use fastrand::Rng;

use crate::project::fake_agent;

/// How many tasks a plan has.
pub(crate) const TASKS: usize = 6;

const TRAITS: [&str; 9] =
    ["twice", "setsid", "group", "deaf", "closed", "holding", "cleared", "chain", "leaping"];

/// The plan. Every process of a task carries `token` among its arguments.
pub(crate) fn plan(random: &mut Rng, token: &str) -> String {
    use std::fmt::Write as _;
    let agent = fake_agent().display();
    let mut plan = String::new();
    for number in 1..=TASKS {
        let deaf = if random.u8(..) < 60 { "ignore-term " } else { "" };
        let strays: Vec<String> = (0..random.usize(1..4)).map(|_| stray(random) + " ").collect();
        let strays = strays.concat();
        let nap = random.u32(0..250);
        let log = log_of(number);
        write!(
            plan,
            "### Task {number}: Leaves strays\n\n- Agent: command\n- Command: `echo begin $ORCHESTRATE_ATTEMPT >> {log}; \
             {agent} {deaf}as:{token} {strays}nap:{nap} && echo end $ORCHESTRATE_ATTEMPT >> {log}`\n"
        )
        .unwrap();
        if number > 2 && random.bool() {
            writeln!(plan, "- Depends on: {}", random.usize(1..number)).unwrap();
        } else {
            plan.push_str("- Depends on: none\n");
        }
        plan.push('\n');
    }
    plan
}

fn stray(random: &mut Rng) -> String {
    let traits: Vec<&str> = TRAITS.into_iter().filter(|_| random.u8(..) < 90).collect();
    format!("stray:{}", traits.join("+"))
}

/// Where a task writes down when it begins and ends.
pub(crate) fn log_of(number: usize) -> String {
    format!("task-{number}.log")
}
