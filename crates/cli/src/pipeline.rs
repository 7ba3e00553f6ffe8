//! Drawing the next pictures while the last ones are written.

use crate::threads::CANNOT_START;
use anyhow::{Context, Result};
use std::sync::mpsc::sync_channel;
use std::thread;

/// Calls `produce` on this thread until it returns `None`, and `consume` with each item, in order, on another thread.
/// There are at most three items: one in each function and one between them.
///
/// # Errors
/// The first error of either function; both then stop.
pub(crate) fn run<T: Send>(
    mut produce: impl FnMut() -> Result<Option<T>>,
    mut consume: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let (sender, receiver) = sync_channel::<T>(1);
    thread::scope(|scope| {
        let consume_all = move || receiver.into_iter().try_for_each(&mut consume);
        let consumer = thread::Builder::new().spawn_scoped(scope, consume_all).context(CANNOT_START)?;
        let mut produce_all = || -> Result<()> {
            while let Some(item) = produce()? {
                if sender.send(item).is_err() {
                    // The consumer has failed, and its error is returned below.
                    break;
                }
            }
            Ok(())
        };
        let produced = produce_all();
        drop(sender);
        let consumed = consumer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        consumed.and(produced)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn everything_arrives_in_order() {
        let (mut next, mut seen) = (0, Vec::new());
        let produce = || {
            next += 1;
            Ok((next <= 100).then_some(next))
        };
        let consume = |item| {
            seen.push(item);
            Ok(())
        };
        run(produce, consume).unwrap();
        assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_three_are_there() {
        let there = AtomicUsize::new(0);
        let mut left = 50;
        let produce = || {
            left -= 1;
            assert!(there.fetch_add(1, Ordering::SeqCst) < 3);
            Ok((left > 0).then_some(()))
        };
        let consume = |()| {
            thread::sleep(std::time::Duration::from_millis(1));
            there.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        run(produce, consume).unwrap();
    }

    #[test]
    fn an_error_on_either_side_stops_both() {
        let mut drawn = 0;
        let endless = || {
            drawn += 1;
            Ok(Some(drawn))
        };
        let full = |item| if item < 5 { Ok(()) } else { Err(anyhow!("the disk is full")) };
        assert_eq!(run(endless, full).unwrap_err().to_string(), "the disk is full");
        assert!(drawn < 10, "{drawn} were drawn");

        let mut written = 0;
        let mut next = 0;
        let broken = || {
            next += 1;
            if next < 4 { Ok(Some(next)) } else { Err(anyhow!("no more noise")) }
        };
        let consume = |_| {
            written += 1;
            Ok(())
        };
        assert_eq!(run(broken, consume).unwrap_err().to_string(), "no more noise");
        assert_eq!(written, 3, "what was drawn is written");
    }
}
