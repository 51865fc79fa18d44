//! What was measured.

/// Bytes of a message. All are multiples of the smallest, so that a ring is cut where a message is.
pub const SIZES: [usize; 8] = [64, 256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20];

/// What one way did with messages of one size.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// From one message to the next, in nanoseconds. With an answer: there and back.
    pub nanos: f64,
    /// System calls for each message, of both sides together.
    pub calls: f64,
}

/// One way, and its figures size by size.
pub struct Row {
    pub name: &'static str,
    pub answered: Vec<Figure>,
    pub in_a_row: Vec<Figure>,
}

/// `64B`, `64K`, `1M`.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..0x10_0000 => format!("{}K", bytes >> 10),
        _ => format!("{}M", bytes >> 20),
    }
}
