//! Asking the processor for memory before it is needed.

/// Begins to bring the cache line of `target` in. A hint: changes nothing but the time.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn fetch<T>(target: *const T) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing and faults on no address; SSE is part of x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(target.cast::<i8>()) }
}

/// On other processors the hint is left out.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn fetch<T>(_target: *const T) {}

/// The same for the place where the next element will be written.
#[inline(always)]
#[allow(clippy::ptr_arg)] // the place behind the elements is the vector's
pub(crate) fn fetch_next<T>(vec: &Vec<T>) {
    fetch(vec.as_ptr().wrapping_add(vec.len()));
}

/// The same for the cache lines of so many bytes.
#[inline(always)]
pub(crate) fn fetch_lines<T>(target: *const T, bytes: usize) {
    let lines = target.cast::<[u8; 64]>();
    for line in 0..bytes.div_ceil(64) {
        fetch(lines.wrapping_add(line));
    }
}
