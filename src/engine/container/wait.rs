//! `POST /containers/{id}/wait`.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::Container;
use super::life::Phase;
use crate::engine::{Engine, Error, Result};
use crate::wait::Waiter;

/// What a client waits for (API 1.30).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// That it does not run; already so for one that never ran.
    #[default]
    NotRunning,
    /// Its next exit.
    NextExit,
    /// That it is gone.
    Removed,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code, 0 to 255.
    pub code: i32,
    /// Why there is none, in Docker's words.
    pub error: Option<String>,
}

/// A wait: readable when it is over. Dropping it gives up.
#[derive(Debug)]
pub struct Wait(Arc<Waiter<Exit>>);

impl Condition {
    /// Reads the `condition` parameter.
    pub fn parse(text: &str) -> Result<Condition> {
        match text {
            "" | "not-running" => Ok(Condition::NotRunning),
            "next-exit" => Ok(Condition::NextExit),
            "removed" => Ok(Condition::Removed),
            other => {
                Err(Error::Invalid(format!("invalid condition: \"{other}\"")))
            }
        }
    }
}

impl Wait {
    /// Returns the outcome if the wait is over.
    pub fn outcome(&self) -> Option<&Exit> {
        self.0.value()
    }
}

impl AsFd for Wait {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Engine {
    /// Starts to wait for a container. From its return on, no exit is
    /// missed.
    pub fn wait(&self, name: &str, condition: Condition) -> Result<Wait> {
        let container = self.container(name)?;
        container.wait(condition)
    }
}

impl Container {
    /// As [`Engine::wait`]; takes no operation lock.
    pub(super) fn wait(&self, condition: Condition) -> Result<Wait> {
        let waiter = Waiter::open().map_err(|e| Error::internal("wait", e))?;
        match condition {
            Condition::Removed => self.removal.add(&waiter),
            _ => self.exits.add(&waiter),
        }
        // Registered first, looked at second: what happens in between is
        // seen by one of the two.
        let life = &self.snapshot().life;
        let over = match condition {
            Condition::NotRunning => !life.is_up(),
            Condition::Removed => life.phase == Phase::Dead,
            Condition::NextExit => false,
        };
        if over {
            let error = match life.error.as_str() {
                "" => None,
                text => Some(text.to_string()),
            };
            waiter.give(Exit { code: life.exit_code, error });
        }
        Ok(Wait(waiter))
    }
}
