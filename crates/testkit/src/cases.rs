//! Table-driven tests.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `test` on every case, also after one has failed.
///
/// # Panics
/// If a case panicked; the message lists the failing cases with their messages.
pub fn for_each_case<C: Debug>(cases: impl IntoIterator<Item = C>, test: impl Fn(&C)) {
    let mut count = 0;
    let mut failures = Vec::new();
    for case in cases {
        count += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&case))) {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("(no message)");
            failures.push(format!("{case:?}: {message}"));
        }
    }
    assert!(count > 0, "there are no cases, so this test checks nothing");
    assert!(failures.is_empty(), "{} of {count} cases failed\n{}", failures.len(), failures.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn all_cases_run_and_the_failing_ones_are_named() {
        let ran = Cell::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for_each_case([1, 2, 3, 4], |&n| {
                ran.set(ran.get() + 1);
                assert!(n % 2 == 1, "{n} is even");
            });
        }));
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(ran.get(), 4);
        assert_eq!(message, "2 of 4 cases failed\n2: 2 is even\n4: 4 is even");
    }

    #[test]
    #[should_panic(expected = "no cases")]
    fn an_empty_table_fails() {
        for_each_case(Vec::<u8>::new(), |_| {});
    }
}
