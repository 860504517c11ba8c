//! The allocator's free memory, given back to the system after a burst.
//!
//! mimalloc gives it back by itself only while the thread goes on allocating, which one that fell idle does not.
#![expect(unsafe_code, reason = "the allocator offers this as a C function")]

/// Gives back what this thread has free.
pub fn give_back() {
    // SAFETY: takes no pointer and keeps none; it may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
