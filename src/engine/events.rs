//! Events: one ring under one lock, a cursor for each subscriber.
//!
//! The ring holds the last 256 events; their `timeNano` rises strictly. A
//! subscriber that is lapped is closed, with a line in the log.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::{Engine, Error, Filters, Result};
use crate::api::event::{Actor, Event};
use crate::time::Timestamp;
use crate::wait::EventFd;

/// How many events are kept.
pub const CAPACITY: usize = 256;

/// The events of an engine.
#[derive(Debug, Default)]
pub struct Events(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// The events kept, oldest first.
    events: VecDeque<Arc<Event>>,
    /// How many were ever published: the number of the next one.
    next: u64,
    /// The stamp of the last one.
    last: i64,
    /// Who has to be woken.
    subscribers: Vec<Weak<EventFd>>,
}

/// A reader of events: readable when there may be new ones.
#[derive(Debug)]
pub struct Subscription<'a> {
    events: &'a Events,
    wake: Arc<EventFd>,
    next: u64,
}

/// The subscriber was too slow: events that it has not read are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapped;

impl Events {
    /// Publishes an event of this moment. Called under the lock of the
    /// object, after its new state is visible.
    pub fn publish(
        &self,
        kind: &str,
        action: &str,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        self.publish_at(Timestamp::now(), kind, action, id, attributes);
    }

    /// As [`Events::publish`], of what happened at another time; it is
    /// stamped later if that lies before the last event.
    pub fn publish_at(
        &self,
        at: Timestamp,
        kind: &str,
        action: &str,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        let mut ring = self.lock();
        let at = i64::try_from(at.unix_nanos()).unwrap_or(i64::MAX);
        let nanos = at.max(ring.last.saturating_add(1));
        ring.last = nanos;
        let mut event = Event {
            kind: kind.into(),
            action: action.into(),
            actor: Actor { id: id.into(), attributes },
            scope: "local".into(),
            time: nanos.div_euclid(1_000_000_000),
            time_nano: nanos,
            ..Event::default()
        };
        // The fields of API 1.14 to 1.21, which later versions kept.
        if matches!(kind, "container" | "image") {
            event.status = event.action.clone();
            event.id = event.actor.id.clone();
        }
        if kind == "container"
            && let Some(image) = event.actor.attributes.get("image")
        {
            event.from = image.clone();
        }
        if ring.events.len() == CAPACITY {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::new(event));
        ring.next += 1;
        ring.subscribers.retain(|wake| match wake.upgrade() {
            Some(wake) => {
                wake.notify();
                true
            }
            None => false,
        });
    }

    /// Starts to read events; from its return on, none is missed.
    pub fn subscribe(&self, from: From) -> Result<Subscription<'_>> {
        let wake = EventFd::open()
            .map_err(|e| Error::internal("subscribe to events", e))?;
        let wake = Arc::new(wake);
        let mut ring = self.lock();
        ring.subscribers.push(Arc::downgrade(&wake));
        let next = match from {
            From::Kept => ring.next - ring.events.len() as u64,
            From::Now => ring.next,
        };
        Ok(Subscription { events: self, wake, next })
    }

    /// Counts the events that were ever published.
    pub fn published(&self) -> u64 {
        self.lock().next
    }

    /// Counts the subscribers.
    pub fn listeners(&self) -> usize {
        let ring = self.lock();
        ring.subscribers.iter().filter(|s| s.strong_count() > 0).count()
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the oldest event that is still kept.
    Kept,
    /// With what comes next.
    Now,
}

impl Subscription<'_> {
    /// Takes the events published since the last call. Does not wait.
    pub fn take(&mut self) -> std::result::Result<Vec<Arc<Event>>, Lapped> {
        self.wake.drain();
        let ring = self.events.lock();
        let oldest = ring.next - ring.events.len() as u64;
        if self.next < oldest {
            return Err(Lapped);
        }
        let skip = (self.next - oldest) as usize;
        self.next = ring.next;
        Ok(ring.events.iter().skip(skip).cloned().collect())
    }
}

impl AsFd for Subscription<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Which events a client wants.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Those kept from this time on come first.
    pub since: Option<Timestamp>,
    /// The stream ends at this time.
    pub until: Option<Timestamp>,
    /// Only those that pass.
    pub filters: Filters,
}

/// A client's stream of events: readable when there may be new ones.
#[derive(Debug)]
pub struct EventStream<'a> {
    subscription: Subscription<'a>,
    query: EventQuery,
}

/// What an [`EventStream`] has for its client.
#[derive(Debug)]
pub enum NextEvents {
    /// These, and then a wait of at most so long.
    Some(Vec<Arc<Event>>, Option<Duration>),
    /// These, and no more ever.
    Last(Vec<Arc<Event>>),
}

impl Engine {
    /// Starts a stream of events; from its return on, none is missed.
    pub fn events(&self, query: EventQuery) -> Result<EventStream<'_>> {
        let from = match query.since.or(query.until) {
            Some(_) => From::Kept,
            None => From::Now,
        };
        let subscription = self.events.subscribe(from)?;
        Ok(EventStream { subscription, query })
    }
}

impl EventStream<'_> {
    /// Takes what there is now. Does not wait.
    pub fn take(&mut self) -> NextEvents {
        let Ok(events) = self.subscription.take() else {
            log::warn!("a reader of events was too slow and is cut off");
            return NextEvents::Last(Vec::new());
        };
        let nanos = |t: Timestamp| t.unix_nanos();
        let since = self.query.since.map(nanos);
        let until = self.query.until.map(nanos);
        let passing = events
            .into_iter()
            .filter(|event| {
                let at = i128::from(event.time_nano);
                since.is_none_or(|since| at >= since)
                    && until.is_none_or(|until| at <= until)
                    && passes(event, &self.query.filters)
            })
            .collect();
        let Some(until) = self.query.until else {
            return NextEvents::Some(passing, None);
        };
        let now = Timestamp::now();
        if now >= until {
            return NextEvents::Last(passing);
        }
        NextEvents::Some(passing, Some(until.duration_since(now)))
    }
}

impl AsFd for EventStream<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.subscription.as_fd()
    }
}

/// Tells whether an event passes a client's filters.
fn passes(event: &Event, filters: &Filters) -> bool {
    let attributes = &event.actor.attributes;
    let names = |kind: &str, wanted: &str| {
        event.kind == kind
            && (event.actor.id.starts_with(wanted)
                || attributes.get("name").is_some_and(|n| n == wanted))
    };
    let action = event.action.split(':').next().unwrap_or_default();
    filters.any("type", |kind| event.kind == kind)
        && filters
            .any("event", |wanted| event.action == wanted || action == wanted)
        && filters.any("scope", |scope| event.scope == scope)
        && filters.any("id", |id| event.actor.id.starts_with(id))
        && filters.any("container", |name| names("container", name))
        && filters.any("network", |name| names("network", name))
        && filters.any("volume", |name| names("volume", name))
        && filters.any("image", |wanted| {
            let untagged = |name: &str| match name.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => name.to_string(),
                _ => name.to_string(),
            };
            let is = |name: &String| name == wanted || untagged(name) == wanted;
            event.kind == "image" && event.actor.id == wanted
                || attributes.get("image").is_some_and(is)
                || (event.kind == "image"
                    && attributes.get("name").is_some_and(is))
        })
        && ["config", "daemon", "node", "plugin", "secret", "service"]
            .iter()
            .all(|kind| filters.any(kind, |name| names(kind, name)))
        && filters.labels_match(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(events: &Events, action: &str) {
        events.publish("container", action, "4f", BTreeMap::new());
    }

    #[test]
    fn times_rise_strictly_and_order_holds() {
        let events = Events::default();
        let mut all = events.subscribe(From::Kept).unwrap();
        for action in ["create", "start", "die"] {
            publish(&events, action);
        }
        let got = all.take().unwrap();
        assert_eq!(got.len(), 3);
        assert!(got.windows(2).all(|p| p[0].time_nano < p[1].time_nano));
        assert_eq!(got[0].status, "create");
        assert!(all.take().unwrap().is_empty());
    }

    #[test]
    fn what_happened_before_keeps_its_time_but_not_its_place() {
        let events = Events::default();
        let mut all = events.subscribe(From::Kept).unwrap();
        let at = Timestamp::from_unix;
        for time in [at(5, 7), at(4, 0), at(9, 0)] {
            let none = BTreeMap::new();
            events.publish_at(time, "container", "die", "4f", none);
        }
        let times: Vec<i64> =
            all.take().unwrap().iter().map(|e| e.time_nano).collect();
        assert_eq!(times, [5_000_000_007, 5_000_000_008, 9_000_000_000]);
    }

    #[test]
    fn a_late_subscriber_may_start_with_what_is_kept() {
        let events = Events::default();
        publish(&events, "create");
        let mut now = events.subscribe(From::Now).unwrap();
        let mut kept = events.subscribe(From::Kept).unwrap();
        publish(&events, "start");
        assert_eq!(now.take().unwrap().len(), 1);
        assert_eq!(kept.take().unwrap().len(), 2);
    }

    #[test]
    fn a_lapped_subscriber_is_told() {
        let events = Events::default();
        let mut slow = events.subscribe(From::Now).unwrap();
        for _ in 0..=CAPACITY {
            publish(&events, "x");
        }
        assert_eq!(slow.take(), Err(Lapped));
        assert_eq!(events.listeners(), 1);
        drop(slow);
        assert_eq!(events.listeners(), 0);
    }

    #[test]
    fn a_networks_event_has_no_old_fields() {
        let events = Events::default();
        let mut all = events.subscribe(From::Kept).unwrap();
        events.publish("network", "connect", "59", BTreeMap::new());
        let event = &all.take().unwrap()[0];
        assert!(event.status.is_empty() && event.id.is_empty());
    }

    #[test]
    fn filters_pick_by_kind_action_and_name() {
        let event = Event {
            kind: "container".into(),
            action: "exec_create: ls".into(),
            actor: Actor {
                id: "4f00".into(),
                attributes: BTreeMap::from([
                    ("name".into(), "web".into()),
                    ("image".into(), "busybox:1".into()),
                ]),
            },
            ..Event::default()
        };
        let ok = |text: &str| passes(&event, &Filters::parse(text).unwrap());
        assert!(ok(r#"{"type":["container"],"container":["web"]}"#));
        assert!(ok(r#"{"event":["exec_create"]}"#));
        assert!(ok(r#"{"image":["busybox"]}"#));
        assert!(!ok(r#"{"image":["alpine"]}"#));
        assert!(!ok(r#"{"type":["image"]}"#));
        assert!(!ok(r#"{"container":["4e"]}"#));
    }
}
