//! What was counted: requests, errors, and latencies in buckets.

use std::time::Duration;

/// How many buckets a power of two is cut into: latencies are told to 6 %.
const STEPS: u32 = 16;

/// What one thread saw, or all of them.
pub struct Tally {
    pub connections: usize,
    pub requests: u64,
    pub errors: u64,
    first_error: Option<String>,
    pub time: Duration,
    longest: Duration,
    /// Counts by latency, logarithmic.
    buckets: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            connections: 1,
            requests: 0,
            errors: 0,
            first_error: None,
            time: Duration::ZERO,
            longest: Duration::ZERO,
            buckets: vec![0; (64 * STEPS) as usize],
        }
    }
}

impl Tally {
    /// Makes a tally of so many connections.
    pub fn of(connections: usize) -> Tally {
        Tally { connections, ..Tally::default() }
    }

    pub fn count(&mut self, latency: Duration) {
        self.requests += 1;
        self.longest = self.longest.max(latency);
        self.buckets[bucket(latency.as_nanos() as u64)] += 1;
    }

    pub fn fail(&mut self, words: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| words.to_string());
    }

    pub fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.time = self.time.max(other.time);
        self.longest = self.longest.max(other.longest);
        for (sum, more) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += more;
        }
    }

    /// Returns the latency that this share of the requests kept, in
    /// microseconds.
    fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.requests as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return nanos(index) / 1000.0;
            }
        }
        0.0
    }

    pub fn line(&self) -> String {
        let seconds = self.time.as_secs_f64().max(1e-9);
        let mut line = format!(
            "rate={:.0} p50_us={:.1} p90_us={:.1} p99_us={:.1} \
             p999_us={:.1} max_us={:.1} requests={} errors={} \
             connections={} seconds={seconds:.2}",
            self.requests as f64 / seconds,
            self.percentile(0.5),
            self.percentile(0.9),
            self.percentile(0.99),
            self.percentile(0.999),
            self.longest.as_secs_f64() * 1e6,
            self.requests,
            self.errors,
            self.connections,
        );
        if let Some(words) = &self.first_error {
            line.push_str(&format!(" first_error={words:?}"));
        }
        line
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(u64::from(STEPS));
    let power = nanos.ilog2();
    let step = (nanos >> (power - STEPS.ilog2())) as u32 - STEPS;
    (power * STEPS + step) as usize
}

/// Returns a bucket's upper end.
fn nanos(bucket: usize) -> f64 {
    let (power, step) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    f64::from(2u32).powi(power as i32)
        * (1.0 + f64::from(step + 1) / f64::from(STEPS))
}
