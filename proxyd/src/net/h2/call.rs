//! What tells a call of gRPC from other requests.

/// What the media type of a call begins with.
const MEDIA_TYPE: &[u8] = b"application/grpc";

/// Whether a request of this media type is a call.
pub(super) fn is_call(content_type: &[u8]) -> bool {
    let (Some(begin), Some(rest)) =
        (content_type.get(..MEDIA_TYPE.len()), content_type.get(MEDIA_TYPE.len()..))
    else {
        return false;
    };
    // The one of browsers has other frames, and is spoken by other clients.
    begin.eq_ignore_ascii_case(MEDIA_TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_their_media_type() {
        for call in ["application/grpc", "application/grpc+proto", "Application/gRPC; charset=x"] {
            assert!(is_call(call.as_bytes()), "{call}");
        }
        for other in ["", "application/grp", "application/grpc-web", "text/application/grpc"] {
            assert!(!is_call(other.as_bytes()), "{other}");
        }
    }
}
