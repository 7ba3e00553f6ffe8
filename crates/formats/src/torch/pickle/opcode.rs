//! The instructions of Python's pickle, named as in its module `pickle`. Numbers are little-endian unless stated.

/// Marks the height of the stack.
pub(super) const MARK: u8 = b'(';
/// Ends the pickle; the value on the stack is the result.
pub(super) const STOP: u8 = b'.';
/// Removes the top value, or a mark that is above it.
pub(super) const POP: u8 = b'0';
/// Removes everything above the last mark.
pub(super) const POP_MARK: u8 = b'1';
/// Duplicates the top value.
pub(super) const DUP: u8 = b'2';
/// A float as text, up to a line feed.
pub(super) const FLOAT: u8 = b'F';
/// An integer or a bool (`00`, `01`) as text, up to a line feed.
pub(super) const INT: u8 = b'I';
/// A signed integer of 4 bytes.
pub(super) const BININT: u8 = b'J';
/// An integer of 1 byte.
pub(super) const BININT1: u8 = b'K';
/// An integer of any length as text, up to a line feed.
pub(super) const LONG: u8 = b'L';
/// An integer of 2 bytes.
pub(super) const BININT2: u8 = b'M';
/// `None`.
pub(super) const NONE: u8 = b'N';
/// Refers to something outside the pickle by the id on the stack.
pub(super) const BINPERSID: u8 = b'Q';
/// Calls a function with a tuple of arguments.
pub(super) const REDUCE: u8 = b'R';
/// A Python 2 string in quotes, up to a line feed.
pub(super) const STRING: u8 = b'S';
/// A Python 2 string with a length of 4 bytes.
pub(super) const BINSTRING: u8 = b'T';
/// A Python 2 string with a length of 1 byte.
pub(super) const SHORT_BINSTRING: u8 = b'U';
/// Text up to a line feed.
pub(super) const UNICODE: u8 = b'V';
/// Text with a length of 4 bytes.
pub(super) const BINUNICODE: u8 = b'X';
/// Appends the top value to the list below it.
pub(super) const APPEND: u8 = b'a';
/// Gives the object below the top value that value as its state.
pub(super) const BUILD: u8 = b'b';
/// A name: module and name, each up to a line feed.
pub(super) const GLOBAL: u8 = b'c';
/// A dict of the keys and values above the last mark.
pub(super) const DICT: u8 = b'd';
/// An empty dict.
pub(super) const EMPTY_DICT: u8 = b'}';
/// Appends everything above the last mark to the list below it.
pub(super) const APPENDS: u8 = b'e';
/// Pushes a value of the memo; its slot is text up to a line feed.
pub(super) const GET: u8 = b'g';
/// Pushes a value of the memo; its slot is 1 byte.
pub(super) const BINGET: u8 = b'h';
/// An instance of a class, named as by `GLOBAL`, with arguments above the last mark.
pub(super) const INST: u8 = b'i';
/// Pushes a value of the memo; its slot is 4 bytes.
pub(super) const LONG_BINGET: u8 = b'j';
/// A list of everything above the last mark.
pub(super) const LIST: u8 = b'l';
/// An empty list.
pub(super) const EMPTY_LIST: u8 = b']';
/// An instance of the class above the last mark, with the arguments above that.
pub(super) const OBJ: u8 = b'o';
/// Stores the top value in the memo; the slot is text up to a line feed.
pub(super) const PUT: u8 = b'p';
/// Stores the top value in the memo; the slot is 1 byte.
pub(super) const BINPUT: u8 = b'q';
/// Stores the top value in the memo; the slot is 4 bytes.
pub(super) const LONG_BINPUT: u8 = b'r';
/// Sets one key of the dict below.
pub(super) const SETITEM: u8 = b's';
/// A tuple of everything above the last mark.
pub(super) const TUPLE: u8 = b't';
/// An empty tuple.
pub(super) const EMPTY_TUPLE: u8 = b')';
/// Sets the keys and values above the last mark in the dict below it.
pub(super) const SETITEMS: u8 = b'u';
/// Bytes with a length of 4 bytes.
pub(super) const BINBYTES: u8 = b'B';
/// Bytes with a length of 1 byte.
pub(super) const SHORT_BINBYTES: u8 = b'C';
/// A float of 8 bytes, big-endian.
pub(super) const BINFLOAT: u8 = b'G';
/// The version of the protocol, 1 byte.
pub(super) const PROTO: u8 = b'\x80';
/// An object of a class with a tuple of arguments.
pub(super) const NEWOBJ: u8 = b'\x81';
/// A tuple of the top value.
pub(super) const TUPLE1: u8 = b'\x85';
/// A tuple of the two top values.
pub(super) const TUPLE2: u8 = b'\x86';
/// A tuple of the three top values.
pub(super) const TUPLE3: u8 = b'\x87';
/// `True`.
pub(super) const NEWTRUE: u8 = b'\x88';
/// `False`.
pub(super) const NEWFALSE: u8 = b'\x89';
/// An integer with a length of 1 byte.
pub(super) const LONG1: u8 = b'\x8a';
/// An integer with a length of 4 bytes.
pub(super) const LONG4: u8 = b'\x8b';
/// Text with a length of 1 byte.
pub(super) const SHORT_BINUNICODE: u8 = b'\x8c';
/// Text with a length of 8 bytes.
pub(super) const BINUNICODE8: u8 = b'\x8d';
/// Bytes with a length of 8 bytes.
pub(super) const BINBYTES8: u8 = b'\x8e';
/// An empty set.
pub(super) const EMPTY_SET: u8 = b'\x8f';
/// Adds everything above the last mark to the set below it.
pub(super) const ADDITEMS: u8 = b'\x90';
/// A frozen set of everything above the last mark.
pub(super) const FROZENSET: u8 = b'\x91';
/// `NEWOBJ` with a dict of keyword arguments.
pub(super) const NEWOBJ_EX: u8 = b'\x92';
/// A name whose module and name are on the stack.
pub(super) const STACK_GLOBAL: u8 = b'\x93';
/// Stores the top value in the next slot of the memo.
pub(super) const MEMOIZE: u8 = b'\x94';
/// The length of what follows, 8 bytes, for reading ahead.
pub(super) const FRAME: u8 = b'\x95';
/// A byte array with a length of 8 bytes.
pub(super) const BYTEARRAY8: u8 = b'\x96';
