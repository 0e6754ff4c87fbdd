//! What a server counts: the requests of each route, the connections of each
//! listener. To count a request is one addition to an atomic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::budget::{Budget, Connections};
use super::exchange::Exchange;
use super::route::Method;

/// The counters of one server.
#[derive(Debug)]
pub struct Statistics {
    routes: Vec<(Method, &'static str)>,
    /// By the route's number; one more for requests without a route.
    requests: Vec<Requests>,
    /// The listeners that serve, in the order in which they began to.
    listeners: Mutex<Vec<(String, Arc<Budget>)>>,
}

/// The requests of one route; cores that count different routes do not
/// meet on a line of the cache.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Requests {
    all: AtomicU64,
    failed: AtomicU64,
}

/// What was asked of one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method and the pattern; none: requests for which there is no
    /// route.
    pub route: Option<(Method, &'static str)>,
    /// How many requests came.
    pub requests: u64,
    /// How many of them were answered with an error.
    pub errors: u64,
}

impl Statistics {
    /// Makes counters for these routes.
    pub(super) fn new(routes: Vec<(Method, &'static str)>) -> Statistics {
        let requests = (0..=routes.len()).map(|_| Requests::default());
        let requests = requests.collect();
        Statistics { routes, requests, listeners: Mutex::default() }
    }

    /// Counts a request to the route of this number; none: to no route.
    pub(super) fn count(&self, number: Option<usize>) {
        self.of(number).all.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts that a request was answered with an error.
    pub(super) fn count_error(&self, number: Option<usize>) {
        self.of(number).failed.fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, number: Option<usize>) -> &Requests {
        let last = self.routes.len();
        &self.requests[number.unwrap_or(last).min(last)]
    }

    /// Adds a listener that begins to serve.
    pub(super) fn add_listener(&self, address: &str, budget: &Arc<Budget>) {
        self.lock().push((address.to_string(), Arc::clone(budget)));
    }

    /// Returns what was asked, route after route.
    pub fn asked(&self) -> impl Iterator<Item = Asked> + '_ {
        let routes = self.routes.iter().copied().map(Some).chain([None]);
        routes.zip(&self.requests).map(|(route, counted)| Asked {
            route,
            requests: counted.all.load(Ordering::Relaxed),
            errors: counted.failed.load(Ordering::Relaxed),
        })
    }

    /// Returns the connections of each listener, with its address.
    pub fn connections(&self) -> Vec<(String, Connections)> {
        let listeners = self.lock();
        let of = |(address, budget): &(String, Arc<Budget>)| {
            (address.clone(), budget.connections())
        };
        listeners.iter().map(of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<Budget>)>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'c> Exchange<'c> {
    /// Returns what the server has counted.
    pub fn statistics(&self) -> &'c Statistics {
        self.statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route() {
        let statistics = Statistics::new(vec![(Method::Get, "/a")]);
        for number in [Some(0), Some(0), None, Some(9)] {
            statistics.count(number);
        }
        statistics.count_error(None);
        let asked: Vec<Asked> = statistics.asked().collect();
        let route = Some((Method::Get, "/a"));
        assert_eq!(asked[0], Asked { route, requests: 2, errors: 0 });
        assert_eq!(asked[1], Asked { route: None, requests: 2, errors: 1 });
    }
}
