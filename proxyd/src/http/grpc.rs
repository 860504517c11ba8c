//! Answers that proxyd makes itself, as callers of gRPC understand them: the failure stands in the fields of the answer,
//! whose status is 200.

use std::io::Write as _;

use super::reply::Reply;

/// By the status of the answer, as gRPC has it for what comes between caller and server.
const fn code(status: u16) -> u8 {
    match status {
        // INTERNAL
        400 => 13,
        // UNAVAILABLE
        502..=504 => 14,
        // UNKNOWN
        _ => 2,
    }
}

/// Writes an answer that is all head.
pub fn write(out: &mut Vec<u8>, reply: Reply) {
    let (status, title) = (reply.status(), reply.title());
    // Writing to a Vec cannot fail, and no title has what would have to be escaped.
    let _infallible = write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: {}\r\ngrpc-message: {status} {title}\r\n\r\n",
        code(status)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_codes_of_the_specification() {
        for (reply, line) in [
            (Reply::Unavailable, "grpc-status: 14\r\ngrpc-message: 503 Service Unavailable\r\n"),
            (Reply::GatewayTimeout, "grpc-status: 14\r\n"),
            (Reply::BadGateway, "grpc-status: 14\r\n"),
            (Reply::BadRequest, "grpc-status: 13\r\n"),
            (Reply::ContentTooLarge, "grpc-status: 2\r\n"),
        ] {
            let mut out = Vec::new();
            write(&mut out, reply);
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains(line), "{text}");
        }
    }
}
