//! `[[layers]]`, `[models]` and `[providers.NAME]`: the model hierarchy.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::section::{Notes, Section};
use super::words::kind;
use super::{MAX_JOBS, ModelsTable};
use crate::diagnostics::suggest;
use crate::model::ban::{BAN_WORDS, BanError};
use crate::model::hierarchy::{Ban, PaymentPolicy};
use crate::model::layer::{Cost, Layer, Price};
use crate::model::run::ProviderSpec;

/// What a ban may say, for who wrote something else.
const BAN_FORM: &str = "a ban is made of `paid` or `free`, `via AGENT`, `at PROVIDER`, `layer N`, \
                        `model NAME` (`*` for any characters): `\"paid via kilo\"`, `\"openai/*\"`";

pub(super) fn layers(top: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Vec<Layer>> {
    let mut layers: Vec<Layer> = Vec::new();
    for table in top.tables(notes, "layers")? {
        let range = table.range.clone();
        let Some(layer) = layer(table, notes) else { continue };
        if layers.iter().any(|known| known.layer == layer.layer) {
            let message = format!("layer {} is there twice", layer.layer);
            notes.problem(&range, message, vec!["give each `[[layers]]` a number of its own".to_owned()]);
        }
        layers.push(layer);
    }
    layers.sort_by_key(|layer| layer.layer);
    Some(layers)
}

fn layer(mut table: Section<'_>, notes: &mut Notes<'_>) -> Option<Layer> {
    let costs = [("free", Cost::Free), ("paid", Cost::Paid)];
    let before = notes.problems.len();
    let number = table.number::<u8>(notes, "layer", 1..=99).map(|found| found.value);
    let agent = table.text(notes, "agent").map(|found| found.value);
    let model = table.text(notes, "model").map(|found| found.value);
    let provider = table.text(notes, "provider").map(|found| found.value);
    let cost = table.word(notes, "cost", &costs).map(|found| found.value);
    let context = table.number::<u64>(notes, "context", 1..=i64::MAX).map(|found| found.value);
    let price = table.table(notes, "price").and_then(|section| price(section, notes));
    let max_usd = table.money(notes, "max_usd");
    if notes.problems.len() == before {
        let missing: Vec<&str> = [
            ("layer", number.is_some()),
            ("agent", agent.is_some()),
            ("model", model.is_some()),
            ("provider", provider.is_some()),
            ("cost", cost.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, there)| (!there).then_some(key))
        .collect();
        table.missing(notes, &missing, "every layer has `layer`, `agent`, `model`, `provider` and `cost`");
    }
    table.finish(notes, &[]);
    Some(Layer {
        layer: number?,
        agent: agent?,
        model: model?,
        provider: provider?,
        cost: cost?,
        context,
        price,
        max_usd,
    })
}

pub(super) fn price(mut table: Section<'_>, notes: &mut Notes<'_>) -> Option<Price> {
    let before = notes.problems.len();
    let input = table.money(notes, "input");
    let output = table.money(notes, "output");
    if notes.problems.len() == before {
        let missing: Vec<&str> = [("input", input.is_some()), ("output", output.is_some())]
            .into_iter()
            .filter_map(|(key, there)| (!there).then_some(key))
            .collect();
        table.missing(
            notes,
            &missing,
            "write `price = { input = 1.1, output = 4.4 }` (USD a million tokens)",
        );
    }
    table.finish(notes, &[]);
    Some(Price { input: input?, output: output? })
}

pub(super) fn models(mut table: Section<'_>, notes: &mut Notes<'_>) -> ModelsTable {
    let policies = [("wait", PaymentPolicy::Wait), ("pay", PaymentPolicy::Pay)];
    let range = table.range.clone();
    let models = ModelsTable {
        policy: table.word(notes, "policy", &policies).map(|found| found.value),
        approve_paid: table.boolean(notes, "approve_paid"),
        reason: table.text(notes, "reason").map(|found| found.value),
        aliases: table.named_lists(notes, "aliases"),
        deny: bans(&mut table, notes),
        fallbacks: table.named_lists(notes, "fallbacks"),
    };
    if models.approve_paid == Some(true) && models.reason.is_none() {
        notes.problem(
            &range,
            "`models.approve_paid` needs a `reason`",
            vec!["write `reason = \"…\"` below it".to_owned()],
        );
    }
    table.finish(notes, &[]);
    models
}

pub(super) fn providers(top: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, ProviderSpec> {
    let mut providers = BTreeMap::new();
    for (name, mut table) in top.named_tables(notes, "providers") {
        let provider = ProviderSpec {
            limit: table.number(notes, "limit", 1..=i64::from(MAX_JOBS)).map(|found| found.value),
            requests_per_minute: table
                .number(notes, "requests_per_minute", 1..=i64::from(u32::MAX))
                .map(|found| found.value),
            tokens_per_day: table.number(notes, "tokens_per_day", 1..=i64::MAX).map(|found| found.value),
            budget_usd_per_month: table.money(notes, "budget_usd_per_month"),
            key_env: table.text(notes, "key_env").map(|found| found.value),
        };
        table.finish(notes, &[]);
        providers.insert(name, provider);
    }
    providers
}

/// Each item of `deny`, read; what is wrong with one is told at its place.
fn bans(table: &mut Section<'_>, notes: &mut Notes<'_>) -> Vec<Ban> {
    let Some(value) = table.any(notes, "deny") else { return Vec::new() };
    let Some(items) = value.get_ref().as_array() else {
        table.wrong_kind(notes, "deny", &value, "a list such as `[\"paid via kilo\"]`");
        return Vec::new();
    };
    let mut bans = Vec::new();
    for item in items {
        let DeValue::String(text) = item.get_ref() else {
            let found = kind(item.get_ref());
            let message = format!("`models.deny` has to be a list of texts, and this is {found}");
            notes.problem(&item.span(), message, Vec::new());
            continue;
        };
        match Ban::read(text) {
            Ok(ban) => bans.push(ban),
            Err(error) => {
                notes.problem(&item.span(), format!("`{text}` is no ban: {error}"), ban_hints(&error));
            }
        }
    }
    bans
}

fn ban_hints(error: &BanError) -> Vec<String> {
    let mut hints = Vec::new();
    match error {
        BanError::Unknown { word } => {
            if let Some(near) = suggest(word, BAN_WORDS.into_iter()) {
                hints.push(format!("did you mean `{near}`?"));
            } else {
                hints.push(format!("if it is a model, write `model {word}`"));
            }
        }
        BanError::Everything => hints.push("to pay for nothing, write `paid`".to_owned()),
        BanError::Empty
        | BanError::Incomplete { .. }
        | BanError::NoNumber { .. }
        | BanError::Twice { .. } => {}
    }
    hints.push(BAN_FORM.to_owned());
    hints
}

#[cfg(test)]
mod tests {
    use super::super::read;

    fn mistakes(text: &str) -> String {
        let error = read("orchestrate.toml", &format!("version = 1\n{text}")).unwrap_err();
        let mut lines = Vec::new();
        for problem in error.problems {
            let place = format!("{}:{}+{}", problem.line, problem.column, problem.length);
            lines.push(format!("{place} {}", problem.message));
            // The form of a ban is told with each of them.
            let hints = problem.hints.iter().filter(|hint| !hint.starts_with("a ban is made of"));
            lines.extend(hints.map(|hint| format!("    {hint}")));
        }
        lines.join("\n") + "\n"
    }

    #[test]
    fn bans_are_refused_at_their_own_place() {
        assert_eq!(
            mistakes(
                "[models]\ndeny = [\n  'paid via kilo',\n  'piad via kilo',\n  'gemini',\n  3,\n  'anything',\n  'layer x',\n]\n"
            ),
            "\
5:3+15 `piad via kilo` is no ban: `piad` is no word of a ban
    did you mean `paid`?
6:3+8 `gemini` is no ban: `gemini` is no word of a ban
    if it is a model, write `model gemini`
7:3+1 `models.deny` has to be a list of texts, and this is a whole number
8:3+10 `anything` is no ban: it bans everything
    to pay for nothing, write `paid`
9:3+9 `layer x` is no ban: `x` is no number of a layer
"
        );
        assert_eq!(
            mistakes("[models]\ndeny = 'paid'\n"),
            "3:8+6 `models.deny` has to be a list such as `[\"paid via kilo\"]`, not text\n"
        );
    }

    #[test]
    fn the_hierarchy_is_read_whole() {
        let text = "version = 1\n[[layers]]\nlayer = 2\nagent = 'kilo'\nmodel = 'o3'\nprovider = 'openai'\ncost = 'paid'\nmax_usd = 0.5\n\
                    [models]\ndeny = ['paid via kilo']\naliases = { o3 = 'o-three' }\nfallbacks = { kilo = ['opencode', 'cline'] }\n\
                    [providers.openai]\nlimit = 2\nrequests_per_minute = 60\ntokens_per_day = 1000\nbudget_usd_per_month = 20\nkey_env = 'KEY'\n";
        let config = read("orchestrate.toml", text).unwrap();
        let layer = &config.layers.unwrap()[0];
        assert_eq!((layer.layer, layer.max_usd, layer.price), (2, Some(0.5), None));
        assert_eq!(config.models.deny[0].agent.as_deref(), Some("kilo"));
        assert_eq!(config.models.aliases["o3"], ["o-three"]);
        assert_eq!(config.models.fallbacks["kilo"], ["opencode", "cline"]);
        assert_eq!(config.providers["openai"].budget_usd_per_month, Some(20.0));
        assert_eq!(
            mistakes("[models]\nalias = 1\n[providers.x]\nrequests = 3\n[[layers]]\nmaxusd = 1\n"),
            "\
3:1+5 unknown key `alias` in `[models]`
    known here: policy, approve_paid, reason, aliases, deny, fallbacks
5:1+8 unknown key `requests` in `[providers.x]`
    known here: limit, requests_per_minute, tokens_per_day, budget_usd_per_month, key_env
6:1+10 `layer`, `agent`, `model`, `provider` and `cost` are missing in `[[layers]]`
    every layer has `layer`, `agent`, `model`, `provider` and `cost`
7:1+6 unknown key `maxusd` in `[[layers]]`
    did you mean `max_usd`?
"
        );
    }
}
