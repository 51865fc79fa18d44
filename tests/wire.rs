//! What 4.9 believes of 128 bytes that anybody may have written: the pure part, on 10,000 cases.

#[allow(dead_code)]
#[path = "../src/bin/lab_4_9/wire.rs"]
mod wire;

use proptest::prelude::*;
use wire::{Decision, SIZE, Seen, StShmbuf, TEXT, decide, messages, printable};

/// 128 bytes, as the segment holds them: any, or with a pid and a text that are nearly right.
fn bytes() -> impl Strategy<Value = (i32, Vec<u8>)> {
    let pid = prop_oneof![any::<i32>(), Just(4242), Just(0), Just(-1), Just(1)];
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), TEXT),
        "\\PC{0,150}".prop_map(|text| {
            let mut bytes = text.into_bytes();
            bytes.resize(TEXT, 0);
            bytes
        }),
        prop::collection::vec(1_u8.., TEXT),
    ];
    (pid, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_128_bytes_are_decided(((pid, text), me) in (bytes(), Just(4242))) {
        let seen = Seen { pid, buf: text.clone().try_into().expect("124 bytes") };
        let end = text.iter().position(|&byte| byte == 0);
        match decide(&seen, me) {
            Decision::Hostile(_) => prop_assert!(pid != me || end.is_none()),
            Decision::End => prop_assert!(pid == me && end == Some(0)),
            Decision::Message(shown) => {
                let end = end.expect("a NUL");
                prop_assert!(pid == me && end > 0);
                prop_assert!(!shown.chars().any(char::is_control), "it could command a terminal");
                prop_assert_eq!(shown, printable(&text[..end]));
            }
        }
    }

    #[test]
    fn a_line_comes_out_as_it_went_in(line in prop::collection::vec(any::<u8>(), 0..500)) {
        let sent = messages(&line);
        prop_assert!(sent.iter().all(|one| !one.is_empty() && one.len() < TEXT && !one.contains(&0)));
        let without_nul: Vec<u8> = line.iter().copied().filter(|&byte| byte != 0).collect();
        prop_assert_eq!(sent.concat(), without_nul);
        for one in sent {
            // SAFETY: all its fields are atomics of zeros, which is what a fresh segment is.
            let segment: StShmbuf = unsafe { std::mem::zeroed() };
            segment.pid.store(7, std::sync::atomic::Ordering::SeqCst);
            segment.write(&one);
            prop_assert_eq!(decide(&segment.copy(), 7), Decision::Message(printable(&one)));
        }
    }

    #[test]
    fn text_is_not_broken_within_a_character(line in "\\PC{0,200}") {
        for one in messages(line.as_bytes()) {
            prop_assert!(std::str::from_utf8(&one).is_ok());
        }
    }
}

#[test]
fn the_layout_is_the_one_of_c() {
    assert_eq!((size_of::<StShmbuf>(), SIZE, TEXT), (128, 128, 124));
    assert_eq!(std::mem::offset_of!(StShmbuf, pid), 0);
}
