//! What people and agents ask of a run while it goes on.

use crate::engine::Engine;
use crate::model::exit::ExitCode;
use crate::model::ids::AttemptKey;
use crate::model::record::{Control, ControlAction, ReportBody};
use crate::model::status::TaskStatus;
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
        inputs.extend(self.agents_reports()?);
        Ok(inputs)
    }

    /// How far running agents say they are, where they said something new.
    fn agents_reports(&mut self) -> anyhow::Result<Vec<Input>> {
        let spec = &self.parts.spec;
        let view = self.parts.scheduler.view();
        let mut inputs = Vec::new();
        for task in view.tasks.iter().filter(|task| task.status == TaskStatus::Running) {
            let Some(last) = task.last_attempt() else { continue };
            let Some(report) = self.parts.store.report(spec, &task.id)? else { continue };
            if report.run_id != spec.run_id || report.attempt != last.attempt {
                continue;
            }
            if let ReportBody::Progress { message, percent } = report.body {
                let message = percent.map_or(message.clone(), |percent| format!("{percent}% {message}"));
                if task.progress.as_deref() != Some(message.as_str()) {
                    let key = AttemptKey::new(task.id.clone(), last.attempt);
                    inputs.push(Input::AttemptProgressed { key, message });
                }
            }
        }
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
