//! What events say of shared memory.

use serde::{Serialize, Serializer};

/// Bytes that have changed, in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedPart {
    /// The first, and how many.
    pub at: u64,
    /// See `at`.
    pub len: u64,
    /// The first of them, before and after.
    #[serde(serialize_with = "by_digits")]
    pub before: Vec<u8>,
    /// See `before`.
    #[serde(serialize_with = "by_digits")]
    pub after: Vec<u8>,
}

/// Two accesses that nothing orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RaceHint {
    /// The bytes that both touch: `shm 0 +0..+4`
    pub place: String,
    /// Those who touch them.
    pub sides: [HintSide; 2],
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HintSide {
    /// `child 4243`
    pub who: String,
    /// It stores; else it loads.
    pub writes: bool,
    /// By which line of the program, where that is known.
    pub source: Option<String>,
}

/// In hexadecimal.
pub fn by_digits<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
