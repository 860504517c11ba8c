//! Closed lists of what is counted, each thing by itself.

/// An enum and the words of each: for metrics and for logs.
macro_rules! counted {
    (
        $(#[$about:meta])*
        $list:ident {
            $($(#[$row:meta])* $name:ident: $label:literal, $text:expr;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(usize)]
        pub enum $list {
            $($(#[$row])* $name,)*
        }

        impl $list {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// As metrics name it.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// As logs say it.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

pub(crate) use counted;

#[cfg(test)]
mod tests {
    use crate::http::ending::Ending;
    use crate::http::refusal::Reason;
    use crate::net::tls::failure::Failure;

    #[test]
    fn each_has_a_place_and_words_of_its_own() {
        fn distinct(words: &[(usize, &str, &str)]) {
            for (at, (place, label, text)) in words.iter().enumerate() {
                assert_eq!(*place, at);
                for (_, other, others) in &words[..at] {
                    assert!(label != other && text != others, "{label}");
                }
            }
        }
        distinct(&Ending::ALL.iter().map(|it| (*it as usize, it.label(), it.text())).collect::<Vec<_>>());
        distinct(&Reason::ALL.iter().map(|it| (*it as usize, it.label(), it.text())).collect::<Vec<_>>());
        distinct(&Failure::ALL.iter().map(|it| (*it as usize, it.label(), it.text())).collect::<Vec<_>>());
    }
}
