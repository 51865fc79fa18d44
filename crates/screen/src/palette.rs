//! The colours: few, and only on marks whose meaning the text repeats. Text has the colour that the
//! terminal gives it; what is taught is bold, and nothing is faint.
//!
//! None of the terminal's 16 colours can be read on black and on white. Of the 256, these have a contrast
//! of 4.5 : 1 and more on both (WCAG 2.2, 1.4.3).

use colored::Color;

/// What went well: `= 0`, and a check mark.
pub const GOOD: Color = Color::AnsiColor(29);
/// What failed: `= -1 ENOENT`.
pub const BAD: Color = Color::AnsiColor(131);
/// What is not part of the lesson: the lab's own calls, the safety net.
pub const ASIDE: Color = Color::AnsiColor(243);
/// One a process, in the order in which they are made.
pub const LANES: [Color; 3] = [Color::AnsiColor(63), Color::AnsiColor(163), Color::AnsiColor(98)];

#[cfg(test)]
mod tests {
    use super::*;

    /// The luminance of one of the 256 colours, from 0, black, to 1, white.
    fn luminance(color: Color) -> f64 {
        let Color::AnsiColor(number) = color else { panic!("not one of the 256") };
        let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
        let rgb = match number {
            0..16 => panic!("{number}: whoever uses the terminal chooses this one"),
            16..232 => [(number - 16) / 36, (number - 16) / 6 % 6, (number - 16) % 6].map(level),
            232.. => [8 + 10 * (number - 232); 3],
        };
        let [r, g, b] = rgb.map(|value| match f64::from(value) / 255.0 {
            low if low <= 0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn every_colour_is_read_on_black_and_on_white() {
        for color in [GOOD, BAD, ASIDE].into_iter().chain(LANES) {
            let here = luminance(color);
            let (on_black, on_white) = ((here + 0.05) / 0.05, 1.05 / (here + 0.05));
            assert!(on_black >= 4.5 && on_white >= 4.5, "{color:?}: {on_black:.2}, {on_white:.2}");
        }
    }
}
