//! What other tools' tables in the project say of models, held against the hierarchy.
//!
//! Pure: claims that were read of a file go in, remarks come out. How they are read of each form of
//! file is in `foreign_text`.

use crate::cli::settings::near_model;
use crate::diagnostics::{Diagnostic, Place};
use crate::model::layer::{Cost, Layer};
use crate::scheduler::names::Names;

/// What a table says of one model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Claim {
    /// The line where it says so.
    pub(super) line: u32,
    /// The model.
    pub(super) model: String,
    /// Its place in the order, where it has one.
    pub(super) layer: Option<u8>,
    /// Through which agent.
    pub(super) agent: Option<String>,
    /// Whether it costs money.
    pub(super) cost: Option<Cost>,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Claims {
    /// In its order.
    pub(super) told: Vec<Claim>,
    /// Whether it means to list all models that are used.
    pub(super) whole: bool,
    /// Why it cannot be read: the line, and what is wrong.
    pub(super) broken: Option<(u32, String)>,
}

/// Where the file and the hierarchy disagree.
pub(super) fn compare(claims: &Claims, layers: &[Layer], names: &Names) -> Vec<Diagnostic> {
    if let Some((line, message)) = &claims.broken {
        let message = format!("it cannot be read: {message}");
        return vec![Diagnostic::warning("unreadable", Place::line(*line), message)];
    }
    let mut found: Vec<Diagnostic> =
        claims.told.iter().filter_map(|claim| of_claim(claim, layers, names)).collect();
    if claims.whole && !claims.told.is_empty() {
        let missing = layers
            .iter()
            .filter(|layer| !claims.told.iter().any(|claim| names.same(&claim.model, &layer.model)));
        found.extend(missing.map(|layer| {
            let message = format!("`{}` of layer {} is not in this table", layer.model, layer.layer);
            Diagnostic::note("not-listed", Place::WHOLE, message)
        }));
    }
    found
}

fn of_claim(claim: &Claim, layers: &[Layer], names: &Names) -> Option<Diagnostic> {
    let warn = |code, message: String| Diagnostic::warning(code, Place::line(claim.line), message);
    let model = &claim.model;
    let same: Vec<&Layer> = layers.iter().filter(|layer| names.same(&layer.model, model)).collect();
    if same.is_empty() {
        let remark = warn("unknown-model", format!("`{model}` is in no layer"));
        let known = layers.iter().map(|layer| layer.model.as_str());
        return Some(match near_model(model, known) {
            Some(near) => remark.hint(format!("did you mean `{near}`?")),
            None => remark,
        });
    }
    if let Some(number) = claim.layer
        && !same.iter().any(|layer| layer.layer == number)
    {
        let there = layers.iter().find(|layer| layer.layer == number);
        let there = there.map_or_else(|| "nothing".to_owned(), |layer| format!("`{}`", layer.model));
        let own = numbers(&same);
        return Some(warn(
            "other-layer",
            format!(
                "`{model}` is at layer {number} here, at layer {own} in the hierarchy, which has {there} there"
            ),
        ));
    }
    let at: Vec<&Layer> =
        same.iter().copied().filter(|layer| claim.layer.is_none_or(|number| layer.layer == number)).collect();
    if let Some(agent) = &claim.agent
        && !at.iter().any(|layer| layer.agent.eq_ignore_ascii_case(agent))
    {
        let (own, other) = (numbers(&at), &at[0].agent);
        return Some(warn(
            "other-agent",
            format!("`{model}` is reached by `{agent}` here, by `{other}` at layer {own} of the hierarchy"),
        ));
    }
    let cost = claim.cost.filter(|cost| at.iter().all(|layer| layer.cost != *cost))?;
    let word = |cost| if cost == Cost::Free { "free" } else { "paid" };
    let own = numbers(&at);
    Some(warn(
        "other-cost",
        format!("`{model}` is {} here, {} at layer {own} of the hierarchy", word(cost), word(at[0].cost)),
    ))
}

fn numbers(layers: &[&Layer]) -> String {
    layers.iter().map(|layer| layer.layer.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::default_layers;

    fn claim(model: &str) -> Claim {
        Claim { line: 7, model: model.to_owned(), ..Claim::default() }
    }

    #[test]
    fn each_disagreement_is_told_with_both_values() {
        let agrees = Claim {
            layer: Some(3),
            agent: Some("Kilo".to_owned()),
            cost: Some(Cost::Free),
            ..claim("z-ai/glm-4.7")
        };
        let cases = [
            (agrees.clone(), None),
            (claim("glm-4.9"), Some("`glm-4.9` is in no layer")),
            (
                Claim { layer: Some(2), ..agrees.clone() },
                Some(
                    "`z-ai/glm-4.7` is at layer 2 here, at layer 3 in the hierarchy, which has `opencode/big-pickle` there",
                ),
            ),
            (
                Claim { agent: Some("cline".to_owned()), ..agrees.clone() },
                Some("`z-ai/glm-4.7` is reached by `cline` here, by `kilo` at layer 3 of the hierarchy"),
            ),
            (
                Claim { cost: Some(Cost::Paid), ..agrees },
                Some("`z-ai/glm-4.7` is paid here, free at layer 3 of the hierarchy"),
            ),
        ];
        for (claim, expected) in cases {
            let claims = Claims { told: vec![claim], ..Claims::default() };
            let found = compare(&claims, &default_layers(), &Names::default());
            assert_eq!(found.first().map(|one| one.message.as_str()), expected);
            assert!(found.iter().all(|one| one.place.line == 7));
        }
    }

    #[test]
    fn a_table_of_all_models_lacks_some() {
        let claims = Claims { told: vec![claim("o3")], whole: true, broken: None };
        assert_eq!(compare(&claims, &default_layers(), &Names::default()).len(), 6);
        let broken = Claims { broken: Some((2, "no".to_owned())), ..claims };
        assert_eq!(
            compare(&broken, &default_layers(), &Names::default())[0].message,
            "it cannot be read: no"
        );
    }
}
