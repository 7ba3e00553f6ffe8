//! Values that belong to one process.
//!
//! A process that was forked, as `multiprocessing` does by default on older versions of Python, has none of the threads
//! of its parent, so a thread pool that it inherits would wait for ever. A [`PerProcess`] therefore makes a new value
//! in each process that asks for one. It takes no lock that the parent may have held at the fork.

use std::process;
use std::sync::OnceLock;

/// Holds one value for each process, made when the process first needs it.
///
/// The values form a list: the first process that asked has the first node, a process forked from it the next one.
pub(crate) struct PerProcess<T> {
    first: OnceLock<Box<Node<T>>>,
}

/// The value of one process.
struct Node<T> {
    /// ID of the process that made the value.
    process: u32,
    /// `None` only while the node is dropped.
    value: Option<T>,
    /// Values of processes that were forked from this one.
    next: PerProcess<T>,
}

impl<T> PerProcess<T> {
    /// Creates a holder without a value.
    pub(crate) const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    /// Creates a holder of a value of this process.
    pub(crate) fn with(value: T) -> Self {
        let holder = Self::new();
        let _ = holder.first.set(Box::new(Node::new(value)));
        holder
    }

    /// Returns the first value, of this process or of one that it was forked from; `None` if there is none. The caller
    /// may use only what needs no threads of that process.
    pub(crate) fn any(&self) -> Option<&T> {
        self.first.get().and_then(|node| node.value.as_ref())
    }

    /// Returns the value of this process. Calls `make` if there is none yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let (process, mut holder) = (process::id(), self);
        while let Some(node) = holder.first.get() {
            match &node.value {
                Some(value) if node.process == process => return Ok(value),
                _ => holder = &node.next,
            }
        }
        // Made outside of the cell, so that its lock is held for a moment only. If another thread has made one in the
        // meantime, that one is used.
        let made = Box::new(Node::new(make()?));
        let node = holder.first.get_or_init(|| made);
        node.value.as_ref().map_or_else(|| unreachable!("a value is taken out only when it is dropped"), Ok)
    }
}

impl<T> Node<T> {
    fn new(value: T) -> Self {
        Self { process: process::id(), value: Some(value), next: PerProcess::new() }
    }
}

impl<T> Drop for Node<T> {
    fn drop(&mut self) {
        // Dropping a pool of another process would wait for threads that are not here.
        if self.process != process::id() {
            std::mem::forget(self.value.take());
        }
    }
}
