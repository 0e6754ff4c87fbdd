//! What strangers send, made from seeds by mutation: the parser of requests,
//! the chunk decoder, queries and the look-up of routes.
//!
//! The sequence is the same in every run. `SKIFF_FUZZ_SECONDS` sets how long
//! each target runs, `SKIFF_FUZZ_SEED` begins another sequence. An input
//! that breaks a promise is written to the corpus of its target, from which
//! every later run begins.

mod mutate;
mod targets;

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mutate::Mutator;

/// How long a target runs if nothing else is said.
const SECONDS: f64 = 1.5;

/// The most inputs that are kept because they did something new.
const MOST_KEPT: usize = 500;

fn setting(name: &str) -> Option<f64> {
    std::env::var(name).ok()?.parse().ok()
}

fn corpus(target: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fuzz/corpus").join(target)
}

/// Runs a target on its corpus, and then on what becomes of it. A target
/// panics if a promise is broken, and else returns what kind of thing
/// happened: an input that made something new happen is mutated further.
fn run(target: &str, check: fn(&[u8], &mut Mutator) -> String) {
    let seconds = setting("SKIFF_FUZZ_SECONDS").unwrap_or(SECONDS);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let seed = setting("SKIFF_FUZZ_SEED").unwrap_or(1.0) as u64;
    let mut mutator = Mutator::new(seed);
    let directory = fs::read_dir(corpus(target)).expect("a corpus");
    let mut files: Vec<PathBuf> =
        directory.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: &PathBuf| fs::read(path).expect("a file of the corpus");
    let mut pool: Vec<Vec<u8>> = files.iter().map(read).collect();
    assert!(!pool.is_empty(), "{target} has no corpus");
    let mut seen = HashSet::new();
    let mut rounds = 0;
    while rounds < pool.len() || Instant::now() < end {
        let input = match pool.get(rounds) {
            Some(input) if rounds < files.len() => input.clone(),
            _ => mutator.mutate(&pool),
        };
        let checked =
            catch_unwind(AssertUnwindSafe(|| check(&input, &mut mutator)));
        let Ok(kind) = checked else { failed(target, seed, rounds, &input) };
        if seen.insert(kind) && rounds >= files.len() && pool.len() < MOST_KEPT
        {
            pool.push(input);
        }
        rounds += 1;
    }
    println!("{target}: {rounds} inputs, {} kinds", seen.len());
}

fn failed(target: &str, seed: u64, round: usize, input: &[u8]) -> ! {
    let path = corpus(target).join(format!("found-{seed}-{round}"));
    let saved = fs::write(&path, input);
    panic!(
        "{target}: round {round} of seed {seed}, kept as {} ({saved:?}): \
         {:?}",
        path.display(),
        String::from_utf8_lossy(input)
    );
}

#[test]
fn requests_are_the_same_however_they_are_cut() {
    run("request", targets::request);
}

#[test]
fn answers_never_break_the_client() {
    run("answer", targets::answer);
}

#[test]
fn chunks_survive_the_way_there_and_back() {
    run("request", targets::chunks);
}

#[test]
fn queries_survive_the_way_there_and_back() {
    run("query", targets::query);
}

#[test]
fn every_path_has_one_route_or_none() {
    run("path", targets::path);
}
