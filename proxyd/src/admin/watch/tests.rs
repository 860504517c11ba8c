//! The stream as its readers see it.
