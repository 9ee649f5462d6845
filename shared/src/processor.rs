//! Work that keeps a core busy, beside the requests that are awaited: bounded, so that memory and cores are.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A panic of such work. Its text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("work on a core has ended early: {0}")]
pub struct Crash(String);

/// The cores of this process.
#[derive(Debug, Clone)]
pub struct Processor(Arc<Semaphore>);

impl Default for Processor {
    /// As many pieces of work at a time as there are cores.
    fn default() -> Self {
        Self::of(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

impl Processor {
    /// Makes one for so many pieces of work at a time.
    #[must_use]
    pub fn of(cores: usize) -> Self {
        Self(Arc::new(Semaphore::new(cores)))
    }

    /// Runs `work` on a thread of its own when its turn comes.
    ///
    /// # Errors
    /// [`Crash`] if it panics: nothing else is harmed.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Crash> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let turn = turn.map_err(|closed| Crash(closed.to_string()))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| Crash(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_own_work_alone() {
        let processor = Processor::of(1);
        let crashed = processor.run(|| panic!("a decoder's defect")).await;
        assert!(crashed.is_err());
        assert_eq!(processor.run(|| 7).await.unwrap(), 7, "the turn was given back");
    }

    #[tokio::test]
    async fn no_more_work_is_under_way_than_there_are_cores() {
        let processor = Processor::of(2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..20).map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            processor.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        futures_util::future::join_all(work).await;
        assert!(most.load(Ordering::SeqCst) <= 2);
    }
}
