//! One operation on several containers.

use std::thread;

use crate::cli::error::{Error, Gathered};
use crate::cli::session::Session;
use crate::client::{self, Client};

/// So many operations run at once.
const AT_ONCE: usize = 50;

/// Carries an operation out on each container, at the same time: each may
/// take as long as the container does to stop. Names are printed in the
/// order in which they were given; errors come last.
pub fn at_once(
    session: &mut Session,
    names: &[String],
    operation: impl Fn(&mut Client, &str) -> client::Result<()> + Sync,
) -> Result<i32, Error> {
    let mut failed = Gathered::default();
    if let [name] = names {
        operation(session.client()?, name)?;
        session.print_line(name)?;
        return failed.finish();
    }
    // Agreed once, so that the others need not ask. Nobody at the address
    // is reported for each name, as any other failure is.
    let _ = session.client()?.version();
    for names in names.chunks(AT_ONCE) {
        let client = session.client()?;
        let mut siblings: Vec<Client> =
            names.iter().map(|_| client.sibling()).collect();
        let results: Vec<_> = thread::scope(|scope| {
            let operation = &operation;
            let running: Vec<_> = names
                .iter()
                .zip(&mut siblings)
                .map(|(name, client)| {
                    scope.spawn(move || operation(client, name))
                })
                .collect();
            running.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for (name, result) in names.iter().zip(results) {
            match result {
                Ok(Ok(())) => session.print_line(name)?,
                Ok(Err(error)) => failed.push(error),
                Err(_) => failed.push(Error::text("internal error")),
            }
        }
    }
    failed.finish()
}

/// Carries an operation out on one container after the other.
pub fn in_turn(
    session: &mut Session,
    names: &[String],
    operation: impl Fn(&mut Client, &str) -> client::Result<()>,
) -> Result<i32, Error> {
    let mut failed = Gathered::default();
    for name in names {
        match operation(session.client()?, name) {
            Ok(()) => session.print_line(name)?,
            Err(error) => failed.push(error),
        }
    }
    failed.finish()
}
