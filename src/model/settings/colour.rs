//! Whether a colour can be seen and text on it be read, by WCAG's arithmetic.

/// What parts of a page that are no text need beside each other (WCAG 1.4.11).
const LEAST_FOR_SHAPES: f64 = 3.0;
/// What text needs on its ground (WCAG 1.4.3).
const LEAST_FOR_TEXT: f64 = 4.5;
/// `--bg` of `templates/base.css`, light and dark.
const PAGES: [(&str, Colour); 2] =
    [("light", Colour([0xfc, 0xfd, 0xfc])), ("dark", Colour([0x0e, 0x14, 0x12]))];
const WHITE: Colour = Colour([255; 3]);
const BLACK: Colour = Colour([0; 3]);
/// Steps from a colour to black or white in which a nearer one that passes is looked for.
const STEPS: u32 = 200;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    pub fn hex(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// How bright it is, 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG's ratio of two colours, 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(two) / one.min(two)
    }

    /// The colour of text on this one: black or white, whichever is easier to read.
    pub fn text(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    fn passes(self) -> bool {
        self.contrast(self.text()) >= LEAST_FOR_TEXT
            && PAGES.iter().all(|(_, page)| self.contrast(*page) >= LEAST_FOR_SHAPES)
    }

    /// What keeps this colour from being a button of both pages, and the nearest one that can be.
    pub fn fault(self) -> Option<String> {
        if self.passes() {
            return None;
        }
        let text = self.contrast(self.text());
        let pages =
            PAGES.map(|(name, page)| (format!("the {name} page"), self.contrast(page), 3.0));
        let on_it = ("the text on it".to_owned(), text, LEAST_FOR_TEXT);
        let measured = pages.into_iter().chain([on_it]);
        let short =
            measured.filter(|(_, ratio, least)| ratio < least).map(|(what, ratio, least)| {
                // Rounded down: a ratio that is shown as enough would be.
                let ratio = (ratio * 100.0).floor() / 100.0;
                format!("{ratio:.2}:1 against {what}, where {least}:1 is needed")
            });
        let short = short.collect::<Vec<_>>().join(" and ");
        let nearest =
            self.nearest().map(|near| format!("; the nearest that passes is {}", near.hex()));
        Some(format!("has a contrast of only {short}{}", nearest.unwrap_or_default()))
    }

    /// The first that passes on the way to black or to white.
    fn nearest(self) -> Option<Self> {
        (1..=STEPS).find_map(|step| {
            let both = [self.towards(BLACK, step), self.towards(WHITE, step)];
            both.into_iter().find(|colour| colour.passes())
        })
    }

    fn towards(self, other: Self, step: u32) -> Self {
        let mix = |index: usize| {
            let (from, to) = (f64::from(self.0[index]), f64::from(other.0[index]));
            (from + (to - from) * f64::from(step) / f64::from(STEPS)).round() as u8
        };
        Self([mix(0), mix(1), mix(2)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn contrasts_are_those_that_wcag_gives() {
        let known = [
            ("#000000", "#ffffff", 21.0),
            ("#ffffff", "#ffffff", 1.0),
            ("#777777", "#ffffff", 4.478),
            ("#767676", "#ffffff", 4.542),
            ("#ff0000", "#ffffff", 3.998),
            ("#0000ff", "#ffffff", 8.592),
            ("#00ff00", "#000000", 15.304),
        ];
        for (one, two, ratio) in known {
            let measured = colour(one).contrast(colour(two));
            assert!((measured - ratio).abs() < 0.001, "{one} on {two}: {measured}");
            assert!((colour(two).contrast(colour(one)) - measured).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn a_colour_is_six_digits() {
        assert_eq!(colour("#0B6b57").hex(), "#0b6b57");
        for bad in ["", "#fff", "0b6b57", "#0b6b5g", "#+b6b57", "red", "#0b6b5700"] {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_refused_says_the_ratio_and_a_colour_that_passes() {
        assert_eq!(colour("#c2410c").fault(), None);
        let yellow = colour("#ffdd00").fault().unwrap();
        assert!(yellow.contains("1.32:1 against the light page, where 3:1"), "{yellow}");
        let navy = colour("#000080").fault().unwrap();
        assert!(navy.contains("against the dark page"), "{navy}");
        for refused in [yellow, navy, colour("#000000").fault().unwrap()] {
            let near = refused.rsplit(' ').next().unwrap();
            assert_eq!(colour(near).fault(), None, "{refused}");
        }
    }

    #[test]
    fn the_pages_that_are_measured_are_those_that_are_shown() {
        let css = include_str!("../../../templates/base.css");
        let shown: Vec<_> =
            css.lines().filter_map(|line| line.trim().strip_prefix("--bg: ")).collect();
        assert_eq!(shown, PAGES.map(|(_, page)| format!("{};", page.hex())));
    }
}
