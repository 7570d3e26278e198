//! Rules about models and providers, out of both files.

use super::Case;

const LAYERS: &str = "[[layers]]\nlayer = 1\nagent = 'kilo'\nmodel = 'kilo/z-ai/glm-4.7'\nprovider = 'kilo'\ncost = 'free'\n\
                      [[layers]]\nlayer = 2\nagent = 'opencode'\nmodel = 'openai/o3'\nprovider = 'openai'\ncost = 'paid'\n";

/// What is told of rules like these, without where it stands.
fn told(rules: &str) -> Vec<(String, Option<String>)> {
    let settings = Case::project(&format!("{rules}\n{LAYERS}")).settled();
    let text = |message: &str| message.split_once(": ").map_or(message, |(_, rest)| rest).to_owned();
    settings.warnings.iter().map(|warning| (text(&warning.message), warning.hint.clone())).collect()
}

#[test]
fn the_rules_of_both_files_count_and_the_projects_go_first() {
    let settings = Case::project(&format!(
        "[models]\npolicy = 'pay'\ndeny = ['layer 1', 'paid']\n[models.aliases]\no3 = ['oh-three']\n[models.fallbacks]\nkilo = ['opencode']\n{LAYERS}"
    ))
    .with_user("[models]\npolicy = 'wait'\ndeny = ['paid', 'via kilo']\n[models.aliases]\no3 = ['zero-three']\nglm = ['glm-4.7']\n")
    .settled();
    let texts: Vec<&str> = settings.models.deny.iter().map(|ban| ban.text.as_str()).collect();
    assert_eq!(texts, ["layer 1", "paid", "via kilo"]);
    assert_eq!(settings.models.aliases["o3"], ["oh-three"]);
    assert_eq!(settings.models.aliases["glm"], ["glm-4.7"]);
    assert_eq!(settings.models.fallbacks["kilo"], ["opencode"]);
    assert_eq!(settings.models.policy, crate::model::hierarchy::PaymentPolicy::Pay);
}

#[test]
fn a_rule_that_means_nothing_is_told() {
    let hint = |near: &str| Some(format!("did you mean `{near}`?"));
    assert_eq!(told("[models]\ndeny = ['paid', 'openai/*', 'via kilo', 'model GLM4.7']"), []);
    assert_eq!(
        told("[models]\ndeny = ['paid via kilo', 'model glm-4.8', 'at opena']"),
        [
            ("no layer is banned by `paid via kilo`".to_owned(), None),
            ("no layer is banned by `model glm-4.8`".to_owned(), hint("kilo/z-ai/glm-4.7")),
            ("no layer is banned by `at opena`".to_owned(), hint("openai")),
        ]
    );
    assert_eq!(
        told("[models.fallbacks]\nkil = ['opencode']\n'o3' = ['glm-4.6', 'glm 4.7']"),
        [
            ("`kil` is no agent, and no model of a layer".to_owned(), hint("kilo")),
            ("`opencode` is no model of a layer".to_owned(), None),
            ("`glm-4.6` is no model of a layer".to_owned(), hint("kilo/z-ai/glm-4.7")),
        ]
    );
    assert_eq!(
        told("[providers.opnai]\nlimit = 1\n[providers.kilo]\nlimit = 1\n[providers.groq]\nlimit = 1"),
        [
            (
                "no layer uses provider `groq`".to_owned(),
                Some("providers of layers: kilo, openai".to_owned())
            ),
            ("no layer uses provider `opnai`".to_owned(), hint("openai")),
        ]
    );
}

#[test]
fn rules_about_unknown_agents_are_refused() {
    let case = Case::project(
        "[models]\ndeny = ['paid via kiloo']\n[models.fallbacks]\nkilo = ['openco', 'command']\n",
    );
    let mistakes = case.mistakes();
    for part in [
        "`paid via kiloo`: there is no agent `kiloo`",
        "did you mean `kilo`?",
        "there is no agent `openco`",
        "`command` cannot stand in for `kilo`",
    ] {
        assert!(mistakes.contains(part), "{part}: {mistakes}");
    }
}

#[test]
fn the_paid_layers_that_are_built_in_have_a_month_of_20_usd() {
    let budget = |text: &str, name: &str| {
        Case::project(text).settled().providers.get(name).and_then(|known| known.budget_usd_per_month)
    };
    assert_eq!(budget("", "openai"), Some(20.0));
    assert_eq!(budget("", "groq"), Some(20.0));
    assert_eq!(budget("", "kilo"), None);
    assert_eq!(budget("[providers.openai]\nlimit = 2\n", "openai"), Some(20.0));
    assert_eq!(budget("[providers.openai]\nbudget_usd_per_month = 5\n", "openai"), Some(5.0));
    assert_eq!(budget(LAYERS, "openai"), None, "layers of one's own come with amounts of one's own");
}
