//! The instruction set that kernels use. It is detected at run time and not set by `target-cpu`, so that one binary
//! runs on every machine.

use std::fmt;
use std::sync::OnceLock;

/// An instruction set that this CPU has. Only the functions here make values, after they have asked the CPU, so that it
/// is sound to call code compiled for the instruction set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Isa(pub(crate) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// The environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "DCGAN_ISA";

impl Isa {
    /// Plain Rust, compiled for the target's baseline, which every machine has.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// Returns all instruction sets that this CPU has, the best first and [`Isa::PORTABLE`] last.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self(Kind::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self(Kind::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self(Kind::Neon));
        }
        found.push(Self::PORTABLE);
        found
    }

    /// Returns the instruction set to use: the one named by the environment variable `DCGAN_ISA`, else the best this
    /// CPU has.
    ///
    /// # Errors
    /// If the variable names one that this CPU does not have; the message lists those it has.
    pub fn select() -> Result<Self, String> {
        static SELECTED: OnceLock<Result<Isa, String>> = OnceLock::new();
        SELECTED.get_or_init(|| Self::by_name(std::env::var(ISA_VARIABLE).ok().as_deref())).clone()
    }

    /// Returns the instruction set of this name, or the best available one without a name.
    fn by_name(name: Option<&str>) -> Result<Self, String> {
        let available = Self::available();
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(available[0]) };
        available.iter().find(|isa| isa.name() == name).copied().ok_or_else(|| {
            let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
            format!("{ISA_VARIABLE}={name}: this machine has {}", names.join(", "))
        })
    }

    /// Returns the name that `DCGAN_ISA` takes and `dcgan --version` shows.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
        }
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_there_and_last() {
        assert_eq!(Isa::available().last(), Some(&Isa::PORTABLE));
    }

    #[test]
    fn every_available_name_selects_itself_and_others_are_refused() {
        for isa in Isa::available() {
            assert_eq!(Isa::by_name(Some(isa.name())), Ok(isa));
        }
        assert_eq!(Isa::by_name(None), Ok(Isa::available()[0]));
        assert_eq!(Isa::by_name(Some("")), Ok(Isa::available()[0]));
        let error = Isa::by_name(Some("mmx")).unwrap_err();
        assert!(error.contains("DCGAN_ISA=mmx") && error.contains("portable"), "{error}");
    }
}
