//! Names of frontends, backends, servers and binds. They are words of commands and cells of every table, so only
//! HAProxy's characters are allowed.

/// Why a text is no name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    #[error("a name is missing")]
    Empty,
    #[error("{name:?} holds {found:?}; a name is made of letters, digits, '-', '_', '.' and ':'")]
    Character { name: String, found: char },
}

/// Checks that a text can be a name.
pub fn validate(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    match name.chars().find(|c| !is_allowed(*c)) {
        Some(found) => Err(NameError::Character { name: name.to_owned(), found }),
        None => Ok(()),
    }
}

const fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "web-1", "A.b_c:d", "127.0.0.1:80"] {
            assert_eq!(validate(name), Ok(()), "{name}");
        }
        assert_eq!(validate(""), Err(NameError::Empty));
        for (name, found) in [("a b", ' '), ("a/b", '/'), ("a,b", ','), ("wéb", 'é'), ("#1", '#')] {
            assert_eq!(validate(name), Err(NameError::Character { name: name.into(), found }), "{name}");
        }
    }
}
