//! What layers that cost money may cost, in whole runs.

use serde_json::Value;

use crate::custom_agents::{acme, script};
use crate::project::Project;

/// An agent that tells what it costs, and a layer of it that costs money; `more` is what else there is.
fn paid(more: &str) -> Project {
    acme(&format!(
        "version = 1
[models]
approve_paid = true
reason = 'a test'
[agents.acme]
program = 'acme'
args = ['run']
prompt = 'stdin'
completion = 'optional'
[agents.acme.events]
cost = {{ path = 'usd', when = {{ event = 'usage' }}, sum = true }}
done = {{ when = {{ event = 'end' }} }}
[[layers]]
layer = 1
agent = 'acme'
model = 'large'
provider = 'shop'
cost = 'paid'
{more}"
    ))
}

fn usage(usd: f64) -> String {
    format!("{{\"event\":\"usage\",\"usd\":{usd}}}\n")
}

fn events(project: &Project, kind: &str) -> Vec<Value> {
    let printed = project.run(["wait", "--cursor", "0", "--output", "ndjson"]).stdout;
    printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["kind"] == kind)
        .collect()
}

/// What is stored of the provider's month.
fn spent(project: &Project, provider: &str) -> Value {
    let listed = project.run(["state", "list", "--output", "json"]).expect(0).json();
    let entries = listed.as_object().unwrap();
    let found = entries.iter().find(|(key, _)| key.contains(&format!("provider:{provider}:spend:")));
    found.unwrap_or_else(|| panic!("{listed:#}")).1.clone()
}

#[test]
fn what_an_attempt_costs_is_reserved_and_booked() {
    let project = paid("max_usd = 0.5\n");
    script(&project, 1, &(usage(0.02) + &usage(0.03) + "{\"event\":\"end\"}"), &["exit:0"]);
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    assert_eq!(ran.json()["tasks"][0]["attempts"][0]["cost_usd"], 0.05);
    assert_eq!(events(&project, "spend_reserved")[0]["amount_usd"], 0.5);
    let settled = events(&project, "spend_settled");
    assert_eq!((&settled[0]["amount_usd"], &settled[0]["basis"]), (&0.05.into(), &"reported".into()));
    let ledger = spent(&project, "shop");
    let run = ledger["runs"].as_object().unwrap().values().next().unwrap();
    assert_eq!((&run["spent_usd"], run.get("reserved_usd")), (&0.05.into(), None), "{ledger:#}");
    let _ = project.run(["state", "verify"]).expect(0);
    let told = project.run(["models", "spend", "--by", "task", "--output", "json"]).expect(0).json();
    let row = &told["rows"][0];
    assert!(row["name"].as_str().unwrap().ends_with(" T001"), "{told:#}");
    assert_eq!(row["spent_usd"], 0.05);
    let shown = project.run(["models", "spend"]).expect(0).stdout;
    assert!(shown.lines().any(|line| line.starts_with("shop") && line.contains("0.05")), "{shown}");
}

#[test]
fn an_agent_that_would_pass_its_bound_is_stopped_while_it_works() {
    let project = paid(
        "max_usd = 0.5\n[[layers]]\nlayer = 2\nagent = 'acme'\nmodel = 'small'\nprovider = 'free'\ncost = 'free'\n",
    );
    script(&project, 1, &(usage(0.2) + &usage(0.2)), &["hang"]);
    script(&project, 2, "{\"event\":\"end\"}", &["exit:0"]);
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempts = ran.json()["tasks"][0]["attempts"].clone();
    assert_eq!(attempts[0]["failure"], "budget_exhausted", "{attempts:#}");
    assert!(attempts[0]["seen"].as_str().unwrap().contains("0.50 USD were reserved"), "{attempts:#}");
    assert_eq!(attempts[1]["layer"], 2);
    assert_eq!(events(&project, "layer_moved")[0]["trigger"], "budget_exhausted");
}

#[test]
fn a_run_keeps_to_its_budget_and_ends_with_8() {
    let project = paid("max_usd = 0.5\n");
    project.write("plan.md", "- [ ] T001 First\n- [ ] T002 Second (depends on T001)\n");
    script(&project, 1, &(usage(0.03).repeat(9) + "{\"event\":\"end\"}"), &["exit:0"]);
    let ran = project.run(["--plan", "plan.md", "--budget", "0.3", "--output", "json"]).expect(8);
    assert_eq!(events(&project, "spend_reserved")[0]["amount_usd"], 0.3);
    assert_eq!(ran.json()["tasks"][1]["failure"], "budget_exhausted", "{:#}", ran.json());
    let percents: Vec<Value> =
        events(&project, "budget_reached").iter().map(|event| event["percent"].clone()).collect();
    assert_eq!(percents, [80, 100]);
    // What is missing is given, and the run goes on.
    let _ = project.run(["resume", "--budget", "many"]).expect(2).says("no amount of money");
}

#[test]
fn runs_of_a_project_share_the_month_of_a_provider() {
    let project = paid("max_usd = 0.62\n[providers.shop]\nbudget_usd_per_month = 0.6\n");
    script(&project, 1, &(usage(0.02).repeat(29) + "{\"event\":\"end\"}"), &["exit:0"]);
    project.write("other.md", "- [ ] T001 Something else\n");
    let _ = project.run(["--plan", "plan.md"]).expect(0);
    let ran = project.run(["--plan", "other.md", "--id-prefix", "o-", "--output", "json"]).expect(8);
    assert_eq!(ran.json()["tasks"][0]["failure"], "budget_exhausted", "{:#}", ran.json());
    assert_eq!(ran.json()["tasks"][0]["attempts"].as_array().unwrap().len(), 0, "nothing was started");
}
