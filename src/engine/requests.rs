//! What people and agents ask of a run while it goes on.

use crate::engine::Engine;
use crate::model::exit::ExitCode;
use crate::model::record::{Control, ControlAction};
use crate::scheduler::Input;

impl Engine {
    /// The requests and reports that came since the last look.
    pub(super) fn requests(&mut self) -> anyhow::Result<Vec<Input>> {
        let run = self.parts.spec.run_id.clone();
        let mut inputs: Vec<Input> =
            self.parts.store.take_requests(&run)?.into_iter().map(no_request).collect();
        for (number, control) in self.parts.store.controls(&run, self.parts.requests_seen)? {
            self.parts.requests_seen = number;
            inputs.push(input_of(control));
        }
        inputs.extend(self.embedded_reports()?);
        Ok(inputs)
    }
}

/// What is told of something that stands among the requests to a run and is none.
pub fn no_request(problem: String) -> Input {
    Input::Warn {
        code: "bad-request".to_owned(),
        message: problem,
        hint: Some(
            "`orchestrate stop`, `approve` and `retry` write requests; `orchestrate schema control` says what they look like".to_owned(),
        ),
    }
}

/// What a request means to the scheduler.
pub fn input_of(control: Control) -> Input {
    match control.action {
        ControlAction::Stop { tasks } if tasks.is_empty() => {
            Input::Shutdown { by: format!("stop by {}", control.by), exit: ExitCode::Interrupted }
        }
        ControlAction::Stop { tasks } => Input::StopTasks { tasks, by: control.by },
        ControlAction::Approve { gate } => Input::Approve { gate, by: control.by },
        ControlAction::Retry { tasks, layer, agent, say } => Input::Retry { tasks, layer, agent, say },
    }
}
