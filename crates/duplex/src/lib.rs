//! Two processes that meet at a key, and the full-duplex channel of section 4.10 between them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`layout`] | a segment: the header before its ring, and which process is at which end |
//! | [`ring`] | the records in a ring, seen from either end |
//! | [`sender`], [`receiver`] | the two ends |
//! | [`bell`] | where a side sleeps, in shared memory |
//! | [`waiters`] | every way to wake the other side |
//! | [`peers`] | is this pid our peer? |
//! | [`speech`] | text as messages, and what may be printed of them |
//! | [`takeover`] | which segments are leftovers, and their removal |

pub mod bell;
pub mod layout;
pub mod peers;
pub mod receiver;
pub mod ring;
pub mod sender;
pub mod speech;
pub mod takeover;
pub mod waiters;
