//! Which model answered an attempt, and so which layer and provider its use is charged to.

use crate::model::layer::{Cost, Layer, Rung};
use crate::model::reading::Reading;
use crate::model::run::RunSpec;

use super::names::Names;

/// Who answered, as far as that can be seen, and so who is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    /// The provider that is paid.
    pub(super) provider: Option<String>,
    /// The model.
    pub(super) model: Option<String>,
    /// The layer that has it.
    pub(super) layer: Option<u8>,
}

/// Who answered an attempt at `rung`.
///
/// A model that is not the one asked for is looked for among the layers, those of the same agent
/// first; one that no layer has is charged to the provider that was asked. Where the model is the
/// one asked for, its layer is free and the agent tells of money, the paid layer of the same agent and
/// model is charged, if there is one: only the way to it can differ.
pub(super) fn answered(spec: &RunSpec, rung: &Rung, reading: Option<&Reading>) -> Answered {
    let asked = Answered { provider: rung.provider.clone(), model: rung.model.clone(), layer: rung.layer };
    let Some(told) = reading.and_then(|reading| reading.model_answered.as_deref()) else { return asked };
    let names = Names::of(&spec.models);
    let charged = if rung.model.as_deref().is_none_or(|model| names.same(model, told)) {
        let costs = reading.and_then(|reading| money_told(spec, rung, reading)).is_some();
        let is_it = |layer: &&Layer| {
            layer.cost == Cost::Paid && layer.agent == rung.agent && names.same(&layer.model, told)
        };
        let paid = spec.layers.iter().filter(|_| costs).find(is_it);
        paid.map(|layer| (layer, layer.model.clone()))
    } else {
        let is_it = |layer: &&Layer| names.same(&layer.model, told);
        let own = spec.layers.iter().filter(is_it).find(|layer| layer.agent == rung.agent);
        let found = own.or_else(|| spec.layers.iter().find(is_it));
        match found {
            Some(layer) => Some((layer, told.to_owned())),
            None => return Answered { model: Some(told.to_owned()), ..asked },
        }
    };
    charged.map_or(asked, |(layer, model)| Answered {
        provider: Some(layer.provider.clone()),
        model: Some(model),
        layer: Some(layer.layer),
    })
}

/// The money of which the agent tells at a layer that is free, in USD. Some compute a price by
/// themselves that nobody pays, so this is no proof of anything.
pub(super) fn money_told(spec: &RunSpec, rung: &Rung, reading: &Reading) -> Option<f64> {
    let number = rung.layer?;
    let layer = spec.layers.iter().find(|layer| layer.layer == number)?;
    reading.cost_usd.filter(|cost| *cost > 0.0 && layer.cost == Cost::Free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::default_layers;
    use crate::scheduler::wishes::rung_of;

    fn spec() -> RunSpec {
        let mut layers = default_layers();
        let mut paid = layers[4].clone();
        paid.layer = 8;
        paid.model = "openrouter/minimax/minimax-m2.1".to_owned();
        paid.provider = "openrouter-paid".to_owned();
        paid.cost = Cost::Paid;
        layers.push(paid);
        RunSpec { layers, ..RunSpec::new(crate::model::ids::RunId("01RUN".to_owned()), "p") }
    }

    fn who(spec: &RunSpec, layer: usize, told: Option<&str>, cost: Option<f64>) -> (String, Option<u8>) {
        let model_answered = told.map(str::to_owned);
        let reading = Reading { model_answered, cost_usd: cost, ..Reading::default() };
        let found = answered(spec, &rung_of(&spec.layers[layer - 1]), Some(&reading));
        (found.provider.unwrap(), found.layer)
    }

    #[test]
    fn the_provider_that_answered_is_charged() {
        let mut spec = spec();
        let row = |provider: &str, layer| (provider.to_owned(), Some(layer));
        // Nothing is told, or what was asked for answered, under whatever name.
        assert_eq!(who(&spec, 3, None, Some(1.0)), row("kilo", 3));
        assert_eq!(who(&spec, 3, Some("GLM 4.7"), Some(1.0)), row("kilo", 3));
        // Another one: of the same agent if it can be.
        assert_eq!(who(&spec, 2, Some("o3-2025-04-16"), None), row("openai", 6));
        assert_eq!(who(&spec, 2, Some("minimax-m2.1"), None), row("openrouter", 5));
        assert_eq!(who(&spec, 3, Some("minimax-m2.1"), None), row("cline", 4));
        // One that nobody has.
        assert_eq!(who(&spec, 3, Some("gpt-9"), None), row("kilo", 3));
        // The free one was asked for, and money was spent.
        assert_eq!(who(&spec, 5, Some("minimax/minimax-m2.1"), None), row("openrouter", 5));
        assert_eq!(who(&spec, 5, Some("minimax/minimax-m2.1"), Some(0.01)), row("openrouter-paid", 8));
        spec.models.aliases.insert("big-pickle".to_owned(), vec!["glm-5".to_owned()]);
        assert_eq!(who(&spec, 2, Some("zai/glm-5"), None), row("opencode", 2));
    }

    #[test]
    fn money_at_a_free_layer_is_seen() {
        let spec = spec();
        let told = |layer: usize, cost| {
            let reading = Reading { cost_usd: cost, ..Reading::default() };
            money_told(&spec, &rung_of(&spec.layers[layer - 1]), &reading)
        };
        assert_eq!(told(3, Some(0.02)), Some(0.02));
        assert_eq!(told(3, Some(0.0)), None);
        assert_eq!(told(3, None), None);
        assert_eq!(told(6, Some(0.02)), None);
    }
}
