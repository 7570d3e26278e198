//! How far alerts were told, and that an older version does not stumble over it.

use super::*;

fn names(alerts: &[&str]) -> Vec<String> {
    alerts.iter().map(|alert| (*alert).to_owned()).collect()
}

fn left(store: &Store) -> Vec<(String, String, u64)> {
    let marks = store.alerts_left().unwrap();
    marks.into_iter().map(|mark| (mark.run.0, mark.alert, mark.seq)).collect()
}

#[test]
fn marks_only_go_forward_and_go_when_nothing_is_left() {
    let folder = folder();
    let mut store = opened(&folder);
    assert_eq!(left(&store), [], "a store that never had one");
    let (old, new) = (RunId("01A".to_owned()), RunId("01B".to_owned()));
    assert_eq!(store.begin_alerts(&old, &names(&["ops", "me"]), 0).unwrap().len(), 2);
    store.begin_alerts(&new, &names(&["ops"]), 0).unwrap();
    store.alert_told(&old, "ops", 7).unwrap();
    store.alert_told(&old, "ops", 3).unwrap();
    store.alert_told(&old, "nobody", 3).unwrap();
    let mark = |run: &RunId, alert: &str, seq| (run.0.clone(), alert.to_owned(), seq);
    assert_eq!(left(&store), [mark(&new, "ops", 0), mark(&old, "me", 0), mark(&old, "ops", 7)]);
    // The run goes on with one more alert, which hears of nothing that was before it.
    let marks = store.begin_alerts(&old, &names(&["ops", "me", "late"]), 9).unwrap();
    assert_eq!(marks, BTreeMap::from([("late".to_owned(), 9), ("me".to_owned(), 0), ("ops".to_owned(), 7)]));
    for alert in ["ops", "me", "late"] {
        store.alert_settled(&old, alert).unwrap();
    }
    drop(store);
    assert_eq!(left(&Store::open_existing(folder.path()).unwrap().unwrap()), [mark(&new, "ops", 0)]);
}

#[test]
fn the_form_of_the_database_stays_what_older_versions_read() {
    let folder = folder();
    let mut store = opened(&folder);
    let form = |store: &Store| -> i64 {
        let connection = Connection::open(store.path()).unwrap();
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    let before = form(&store);
    store.begin_alerts(&RunId("01A".to_owned()), &names(&["ops"]), 0).unwrap();
    assert_eq!(form(&store), before);
}
