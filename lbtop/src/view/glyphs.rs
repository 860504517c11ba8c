//! The characters beyond letters, for terminals that can and cannot show them.

/// Which characters are drawn with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Glyphs {
    Utf8,
    Ascii,
}

impl Glyphs {
    /// What the environment promises: UTF-8 where the locale says so and the terminal is no plain one.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_lowercase();
        let term = variable("TERM").unwrap_or_default();
        let is_plain =
            term.is_empty() || term == "dumb" || term.starts_with("linux") || term.starts_with("vt");
        if !is_plain && (locale.contains("utf-8") || locale.contains("utf8")) {
            Self::Utf8
        } else {
            Self::Ascii
        }
    }

    /// Stands for what was cut.
    pub const fn ellipsis(self) -> char {
        match self {
            Self::Utf8 => '…',
            Self::Ascii => '~',
        }
    }

    /// Bars from the least to the most.
    const fn bars(self) -> [char; 8] {
        match self {
            Self::Utf8 => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => ['.', ':', '-', '=', '+', '*', '#', '@'],
        }
    }

    /// A line of bars, each against the largest; a gap stays empty.
    pub fn spark(self, values: &[Option<u64>]) -> String {
        let most = values.iter().flatten().copied().max().unwrap_or(0).max(1);
        let bars = self.bars();
        values
            .iter()
            .map(|value| {
                value.map_or(' ', |value| {
                    let step = (u128::from(value) * 7).div_ceil(u128::from(most));
                    bars[usize::try_from(step).unwrap_or(7).min(7)]
                })
            })
            .collect()
    }

    /// Corners and edges of a box: top left, top right, bottom left, bottom right, across, down.
    pub const fn frame(self) -> [char; 6] {
        match self {
            Self::Utf8 => ['┌', '┐', '└', '┘', '─', '│'],
            Self::Ascii => ['+', '+', '+', '+', '-', '|'],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection() {
        for (lang, term, glyphs) in [
            ("en_US.UTF-8", "xterm-256color", Glyphs::Utf8),
            ("C.utf8", "screen", Glyphs::Utf8),
            ("C", "xterm", Glyphs::Ascii),
            ("", "xterm", Glyphs::Ascii),
            ("en_US.UTF-8", "linux", Glyphs::Ascii),
            ("en_US.UTF-8", "dumb", Glyphs::Ascii),
            ("en_US.UTF-8", "", Glyphs::Ascii),
        ] {
            let found = Glyphs::detect(|name| match name {
                "LANG" => Some(lang.into()),
                "TERM" => Some(term.into()),
                _ => None,
            });
            assert_eq!(found, glyphs, "{lang} {term}");
        }
    }

    #[test]
    fn sparks() {
        let values = [None, Some(0), Some(1), Some(50), Some(100)];
        assert_eq!(Glyphs::Utf8.spark(&values), " ▁▂▅█");
        assert_eq!(Glyphs::Ascii.spark(&values), " .:+@");
        assert_eq!(Glyphs::Ascii.spark(&[Some(u64::MAX), Some(0)]), "@.");
    }
}
