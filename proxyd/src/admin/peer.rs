//! Who is at the other end of a connection.

use std::fs;

use tokio::net::UnixStream;

/// `uid 1000 (alice)`, or as much as is known.
pub(super) fn name(stream: &UnixStream) -> String {
    let Ok(credentials) = stream.peer_cred() else { return "unknown".to_owned() };
    let uid = credentials.uid();
    match fs::read_to_string("/etc/passwd").ok().as_deref().and_then(|users| user(users, uid)) {
        Some(user) => format!("uid {uid} ({user})"),
        None => format!("uid {uid}"),
    }
}

/// The name of a user in the text of a passwd file.
fn user(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_users() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(user(users, 1000), Some("alice"));
        assert_eq!(user(users, 0), Some("root"));
        assert_eq!(user(users, 7), None);
    }
}
