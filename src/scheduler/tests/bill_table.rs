//! What is booked of the dollar that was reserved, by what was told of its use.

use crate::model::event::SpendBasis;
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::reading::{Reading, Tokens};
use crate::scheduler::money::bill;

use super::builder::spec;

fn booked(reading: &Reading) -> (Money, SpendBasis) {
    let rung = Rung { layer: None, agent: "a".to_owned(), model: None, provider: None };
    let reserved = Some(Money::usd(1.0));
    let (amount, basis, _) = bill(&spec(Vec::new()), &rung, reserved, None, Some(reading)).expect("a bill");
    (amount, basis)
}

#[test]
fn use_that_was_not_told_is_charged_at_the_bound() {
    let bound = (Money::usd(1.0), SpendBasis::Bound);
    let told = Reading { turns: Some(2), cost_usd: Some(0.25), ..Reading::default() };
    assert_eq!(booked(&told), (Money::usd(0.25), SpendBasis::Reported));
    assert_eq!(booked(&Reading { at_least: true, ..told.clone() }), bound, "there was more");
    let dear = Reading { at_least: true, cost_usd: Some(3.0), ..told };
    assert_eq!(booked(&dear), (Money::usd(3.0), SpendBasis::Bound));
    let tokens = Some(Tokens { input: 5, output: 5 });
    assert_eq!(booked(&Reading { turns: Some(1), tokens, ..Reading::default() }), bound, "no price is known");
    assert_eq!(booked(&Reading::default()), bound, "nothing at all is told");
}

#[test]
fn nothing_is_charged_where_nothing_was_asked() {
    let nothing = (Money::ZERO, SpendBasis::Reported);
    let silent = Reading { turns: Some(0), ..Reading::default() };
    assert_eq!(booked(&silent), nothing);
    assert_eq!(booked(&Reading { not_begun: true, ..Reading::default() }), nothing);
    let asked = Reading { at_least: true, ..silent };
    assert_eq!(booked(&asked), (Money::usd(1.0), SpendBasis::Bound), "its first answer was on its way");
}
