//! That the page's colours can be read, in light and in dark.

use std::collections::HashMap;

use super::CSS;

/// Of the WCAG, for text of any size at level AA.
const LEAST: f64 = 4.5;

#[test]
fn all_text_stands_out_from_what_it_stands_on() {
    let schemes: Vec<_> = CSS.split(":root {").skip(1).map(colours).collect();
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        for (text, ground) in [
            ("text", "page"),
            ("text", "card"),
            ("soft", "page"),
            ("soft", "card"),
            ("good", "card"),
            ("bad", "card"),
            ("bad", "page"),
            ("link", "page"),
        ] {
            let ratio = contrast(scheme[text], scheme[ground]);
            assert!(ratio >= LEAST, "{text} on {ground}: {ratio:.2}");
        }
    }
}

/// `--name: #rrggbb;` up to the closing brace.
fn colours(block: &str) -> HashMap<&str, u32> {
    let body = block.split('}').next().unwrap();
    let declarations =
        body.split(';').filter_map(|declaration| declaration.trim().strip_prefix("--")?.split_once(": #"));
    declarations.map(|(name, hex)| (name, hex_colour(hex))).collect()
}

fn hex_colour(hex: &str) -> u32 {
    let digits: String =
        if hex.len() == 3 { hex.chars().flat_map(|digit| [digit, digit]).collect() } else { hex.to_owned() };
    u32::from_str_radix(&digits, 16).unwrap()
}

fn contrast(one: u32, other: u32) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: u32) -> f64 {
    let channel = |shift: u32| {
        let value = f64::from(colour >> shift & 0xff) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}
