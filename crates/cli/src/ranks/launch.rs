//! How a process was started: by hand, or by a launcher as one of several.

/// How this process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launch {
    /// By hand, alone.
    Alone,
    /// By a launcher such as `mpirun`, as one of this many ranks.
    Ranks(usize),
}

/// Returns how this process was started, according to the environment that `variable` reads.
pub(super) fn detect(variable: impl Fn(&str) -> Option<String>) -> Launch {
    let number = |name: &str| variable(name).and_then(|value| value.parse::<usize>().ok());
    if let Some(size) = number("OMPI_COMM_WORLD_SIZE").or_else(|| number("PMI_SIZE")) {
        return Launch::Ranks(size);
    }
    match number("PMIX_RANK") {
        // PMIx itself tells no size; Slurm does, and rank 1 is not alone.
        Some(rank) => Launch::Ranks(number("SLURM_STEP_NUM_TASKS").unwrap_or(1).max(rank + 1)),
        None => Launch::Alone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_known_by_their_variables() {
        let of = |variables: &[(&str, &str)]| {
            detect(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[]), Launch::Alone);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "4")]), Launch::Ranks(4));
        assert_eq!(of(&[("PMI_SIZE", "1")]), Launch::Ranks(1));
        assert_eq!(of(&[("PMIX_RANK", "2")]), Launch::Ranks(3));
        assert_eq!(of(&[("PMIX_RANK", "0"), ("SLURM_STEP_NUM_TASKS", "2")]), Launch::Ranks(2));
        assert_eq!(of(&[("PMI_SIZE", "many")]), Launch::Alone);
    }
}
