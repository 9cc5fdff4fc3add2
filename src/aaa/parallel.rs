//! Work on millions of endpoints at once: every core takes a part of it.

use std::thread;

/// Fewer than these are not worth a thread.
const WORTH_A_THREAD: usize = 1 << 16;

/// Gives each core one run of `all`. What they make of it comes back in the order of the runs.
pub(super) fn parallel_chunks<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let run = all.len().div_ceil(cores).max(WORTH_A_THREAD);
    if all.len() <= run {
        return vec![work(all)];
    }
    thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = all.chunks(run).map(|some| scope.spawn(move || work(some))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_are_everything_in_order() {
        for length in [0, 1, WORTH_A_THREAD, WORTH_A_THREAD + 1, 5 * WORTH_A_THREAD] {
            let all: Vec<usize> = (0..length).collect();
            let runs = parallel_chunks(&all, <[usize]>::to_vec);
            assert!(runs.len() <= 1 + length / WORTH_A_THREAD, "{length}");
            assert_eq!(runs.concat(), all);
        }
    }
}
