//! Asks the processor for memory that will soon be needed, so that many waits become one.
//!
//! Where a batch of requests touches tables larger than any cache, each waits a hundred nanoseconds
//! for each line, one after the other. Asked for beforehand, the lines of all come together. A hint
//! changes nothing: not what a program computes, and not whether it is sound.
#![allow(unsafe_code, reason = "the instruction takes a raw pointer")]

/// Octets that travel together between memory and the caches of nearly every processor.
const LINE: usize = 64;

/// Asks for the line that holds this place. The place need not exist.
#[inline]
pub fn line<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing a program could see, and never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks for all lines of so many octets from this place on.
#[inline]
pub fn lines<T>(place: *const T, octets: usize) {
    let start = place.cast::<u8>();
    for offset in (0..octets).step_by(LINE) {
        line(start.wrapping_add(offset));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_address_may_be_asked_for() {
        super::line(std::ptr::null::<u8>());
        super::lines(usize::MAX as *const u8, 4096);
        super::lines([0_u8; 256].as_ptr(), 256);
    }
}
