//! The socket as its clients see it: bytes in, bytes out.
