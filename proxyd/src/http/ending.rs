//! Why a connection of HTTP/2 was ended by us, and why a stream was: words for counters and logs.

use crate::stats::counted::counted;

counted! {
    /// Why a connection of HTTP/2 was ended before its client wanted.
    Ending {
        Pings: "ping_flood", "too many PINGs";
        Settings: "settings_flood", "too many SETTINGS";
        Priorities: "priority_flood", "too many PRIORITYs";
        Resets: "reset_flood", "too many streams taken back";
        Windows: "window_update_flood", "too many WINDOW_UPDATEs";
        Empty: "empty_frame_flood", "too many empty frames";
        Unknown: "unknown_frame_flood", "too many frames of no use";
        StreamErrors: "stream_error_flood", "too many streams in error";
        HeadTimeout: "head_timeout", "a head did not come in time";
        WriteTimeout: "write_timeout", "the client does not read";
        PingTimeout: "ping_timeout", "a PING was not answered";
        Protocol: "protocol_error", "PROTOCOL_ERROR";
        Internal: "internal_error", "INTERNAL_ERROR";
        FlowControl: "flow_control_error", "FLOW_CONTROL_ERROR";
        StreamClosed: "stream_closed", "STREAM_CLOSED";
        FrameSize: "frame_size_error", "FRAME_SIZE_ERROR";
        Compression: "compression_error", "COMPRESSION_ERROR";
        Calm: "enhance_your_calm", "ENHANCE_YOUR_CALM";
        Other: "other", "another error";
    }
}

impl Ending {
    /// By the code of an error (RFC 9113 7); `None` for what is none.
    pub const fn of_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::Protocol,
            2 => Self::Internal,
            3 => Self::FlowControl,
            5 => Self::StreamClosed,
            6 => Self::FrameSize,
            9 => Self::Compression,
            11 => Self::Calm,
            _ => Self::Other,
        })
    }
}

/// Codes of errors, as metrics name them, by their numbers.
pub const CODES: [&str; 14] = [
    "no_error",
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "settings_timeout",
    "stream_closed",
    "frame_size_error",
    "refused_stream",
    "cancel",
    "compression_error",
    "connect_error",
    "enhance_your_calm",
    "inadequate_security",
    "http_1_1_required",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_endings() {
        for (code, label) in CODES.iter().enumerate().skip(1) {
            let ending = Ending::of_code(u32::try_from(code).unwrap()).unwrap();
            assert!(ending.label() == *label || ending == Ending::Other, "{label}");
        }
        assert_eq!(Ending::of_code(0), None);
    }
}
