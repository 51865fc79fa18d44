//! Rows of the kernel's tables, for people.

use crate::event::Row;

/// `nattch 1 -> 2, lpid 100 -> 101`
pub fn changes([before, after]: &[Option<Row>; 2]) -> String {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (cells(before), cells(after)),
        (None, Some(row)) => {
            let all = cells(row).into_iter().map(|(name, value)| format!("{name} {value}"));
            return format!("new: {}", all.collect::<Vec<_>>().join(", "));
        }
        _ => return "gone".into(),
    };
    let both = before.into_iter().zip(after).filter(|(before, after)| before != after);
    let one = |((name, before), (_, after)): (Cell, Cell)| format!("{name} {before} -> {after}");
    both.map(one).collect::<Vec<_>>().join(", ")
}

/// The name of a column, and what stands there.
pub type Cell = (&'static str, String);

/// A row of the kernel's table, without what is only for its owner.
pub fn cells(row: &Row) -> Vec<Cell> {
    let key = if row.key == 0 { "0".into() } else { format!("{:#010x}", row.key) };
    let status = if row.goes_with_last_detach() { "dest" } else { "-" };
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let pid = |value: Option<i32>| value.map(|value| value.to_string());
    let all = [
        ("key", Some(key)),
        ("size", number(row.size)),
        ("nattch", number(row.nattch)),
        ("status", row.size.map(|_| status.into())),
        ("cpid", pid(row.cpid)),
        ("lpid", pid(row.lpid)),
        ("messages", number(row.qnum)),
        ("bytes", number(row.cbytes)),
        ("semaphores", number(row.nsems)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
