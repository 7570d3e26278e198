//! The alert that is sent to try out whether alerts arrive.

use crate::model::alert::{Alert, AlertKind, AlertVersion};
use crate::model::event::Counts;
use crate::model::ids::RunId;
use crate::model::time::Timestamp;

/// An alert that is about nothing.
pub fn test_alert(project: &str, host: &str, name: &str, at: Timestamp) -> Alert {
    Alert {
        schema: AlertVersion::V1,
        run_id: RunId("test".to_owned()),
        project: project.to_owned(),
        plan: "-".to_owned(),
        host: host.to_owned(),
        kind: AlertKind::Test,
        at,
        title: "a test of orchestrate's alerts".to_owned(),
        text: format!("the alert \"{name}\" arrives; nothing has happened"),
        task: None,
        failure: None,
        counts: Counts::new(),
        dedupe_key: format!("test:{at}"),
        also: Vec::new(),
        more: 0,
    }
}
