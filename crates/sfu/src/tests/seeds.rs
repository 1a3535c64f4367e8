//! Runs randomized scenarios from seeds: a few in an ordinary test run, thousands on request.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs `usual` seeds in parallel on all processors. `SEEDS=5000` before the test command runs that many, `SEED=17`
/// runs that one with verbose output. A failing scenario prints its seed.
pub(super) fn play_all(test: &str, usual: u64, play: impl Fn(u64, bool) + Sync) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        return play(seed, true);
    }
    let (next, count) = (AtomicU64::new(0), number("SEEDS").unwrap_or(usual));
    let turns = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                break Ok(());
            }
            if let Err(cause) = catch_unwind(AssertUnwindSafe(|| play(seed, false))) {
                next.store(count, Ordering::Relaxed);
                println!("again: SEED={seed} cargo test -p bedside-sfu {test} -- --nocapture");
                break Err(cause);
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let played: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(turns)).collect();
        threads.into_iter().map(|thread| thread.join().expect("caught")).collect()
    });
    if let Some(cause) = played.into_iter().find_map(Result::err) {
        resume_unwind(cause);
    }
}
