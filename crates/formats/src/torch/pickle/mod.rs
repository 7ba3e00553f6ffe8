//! A pickle machine that builds what tensors need, and steps over everything else.
//!
//! Python's pickle is a program for a stack machine, and its GLOBAL and REDUCE instructions call anything by name. This
//! machine calls nothing. It knows the names ([`value::Global`]) that stand for tensors, modules and containers, and
//! what an instruction with one of them means. Any other name (numpy's scalars, `argparse.Namespace`, a class of the
//! user's) becomes an inert object that can be called, filled and given a state, and stays what it is: so the network
//! beside it can still be read. PyTorch's `weights_only=True` refuses files with such names, because it would have to
//! make real objects of them. [`Pickle::unknown`] lists them.
//!
//! Names that serve to run programs or code ([`name::is_dangerous`]) are refused all the same. They would do no harm
//! here, but a file that has them would elsewhere, and its user should know.
//!
//! All objects live in one list and refer to each other by index, as the pickle's own memo wants it. That makes cycles
//! harmless and frees any depth of nesting without recursion. Memory is proportional to the length of the pickle, and
//! objects are counted.

mod machine;
mod name;
mod object;
mod opcode;
mod value;
mod writer;

use self::machine::Machine;
pub(crate) use self::value::{Object, Storage, TensorView, Value};
pub(crate) use self::writer::PickleWriter;
use crate::error::FormatError;
use indexmap::IndexSet;
use std::rc::Rc;

/// What a finished pickle holds.
#[derive(Debug)]
pub(crate) struct Pickle {
    /// Every object that was built; [`Value::Object`] is an index into it.
    pub(crate) objects: Vec<Object>,
    /// The object the pickle is of.
    pub(crate) root: Value,
    /// The first names that stand for nothing known, for example `argparse.Namespace`.
    pub(crate) unknown: IndexSet<Rc<str>>,
}

impl Pickle {
    /// Runs a pickle.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for an instruction that is not known or a name that
    /// serves to run programs, [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) for one that makes no sense. The
    /// message gives the offset.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::parse_at(bytes, &mut 0)
    }

    /// Runs the pickle that begins `at` a byte, and moves `at` behind it, or to the end if that comes before.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_at(bytes: &[u8], at: &mut usize) -> Result<Self, FormatError> {
        let mut machine = Machine::new(bytes, *at);
        loop {
            let start = machine.at;
            match machine.step() {
                Ok(None) => {}
                Ok(Some(root)) => {
                    *at = machine.at;
                    return Ok(Self { objects: machine.objects, root, unknown: machine.unknown });
                }
                Err(error) => {
                    *at = machine.at;
                    return Err(error.within_part(format_args!("byte {start}")));
                }
            }
        }
    }

    /// Returns the object that a value refers to.
    pub(crate) fn object(&self, value: &Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(*index),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
