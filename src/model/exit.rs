//! The exit codes as a closed list, and which of several counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the process exits with. The table in the README is compared with this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitCode {
    /// Every task that was to run succeeded.
    Success,
    /// The run ended and at least one task did not succeed.
    TaskFailed,
    /// Wrong use of the command line.
    Usage,
    /// The plan or the configuration is invalid, or the plan is not there.
    InvalidInput,
    /// Nothing to run.
    NothingToRun,
    /// The environment cannot run it.
    Environment,
    /// The state store cannot be reached, or its data is damaged.
    Store,
    /// Another live run holds this run or one of its tasks' keys.
    Held,
    /// Stopped by a limit.
    Limit,
    /// Waiting for a person.
    Waiting,
    /// A fault of ours.
    Fault,
    /// `wait --timeout` passed.
    WaitTimeout,
    /// Stopped by SIGINT.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl ExitCode {
    /// Every code, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::TaskFailed,
        Self::Usage,
        Self::InvalidInput,
        Self::NothingToRun,
        Self::Environment,
        Self::Store,
        Self::Held,
        Self::Limit,
        Self::Waiting,
        Self::Fault,
        Self::WaitTimeout,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::TaskFailed => 1,
            Self::Usage => 2,
            Self::InvalidInput => 3,
            Self::NothingToRun => 4,
            Self::Environment => 5,
            Self::Store => 6,
            Self::Held => 7,
            Self::Limit => 8,
            Self::Waiting => 9,
            Self::Fault => 70,
            Self::WaitTimeout => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What it means, as the documents say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "every task that was to run succeeded",
            Self::TaskFailed => "the run ended and at least one task did not succeed",
            Self::Usage => "wrong use of the command line",
            Self::InvalidInput => "the plan or the configuration is invalid, or the plan is not there",
            Self::NothingToRun => "nothing to run (all done, all held, or nothing selected)",
            Self::Environment => {
                "the environment cannot run it: no usable agent for any task, workspace or git"
            }
            Self::Store => "the state store cannot be reached, or its data is damaged",
            Self::Held => "another live run holds this run or one of its tasks' keys",
            Self::Limit => {
                "stopped by a limit: budget, deadline, or only paid layers are left and paid use was not approved"
            }
            Self::Waiting => "waiting for a person: a gate needs approval",
            Self::Fault => "a fault of ours, please report (101: a panic)",
            Self::WaitTimeout => "`wait --timeout` passed and the run still goes on",
            Self::Interrupted => "stopped by SIGINT, after every agent was stopped",
            Self::Terminated => "stopped by SIGTERM, after every agent was stopped",
        }
    }

    /// The code with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Where several apply, the first of: 70, 130/143, 7, 6, 1, 8, 9; the rest keep their own.
    pub fn worst(codes: impl IntoIterator<Item = Self>) -> Self {
        codes.into_iter().min_by_key(|code| code.rank()).unwrap_or(Self::Success)
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Fault => 0,
            Self::Interrupted | Self::Terminated => 1,
            Self::Held => 2,
            Self::Store => 3,
            Self::Usage => 4,
            Self::InvalidInput => 5,
            Self::Environment => 6,
            Self::TaskFailed => 7,
            Self::Limit => 8,
            Self::Waiting => 9,
            Self::WaitTimeout => 10,
            Self::NothingToRun => 11,
            Self::Success => 12,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_precedence_is_the_contracts() {
        use ExitCode::{Fault, Held, Interrupted, Limit, Store, Success, TaskFailed, Waiting};
        let order = [Fault, Interrupted, Held, Store, TaskFailed, Limit, Waiting, Success];
        for (place, first) in order.iter().enumerate() {
            assert_eq!(ExitCode::worst(order[place..].iter().rev().copied()), *first);
        }
        assert_eq!(ExitCode::worst([]), Success);
    }

    #[test]
    fn codes_are_different_and_read_back() {
        for code in ExitCode::ALL {
            assert_eq!(ExitCode::from_code(code.code()), Some(code));
        }
    }
}
