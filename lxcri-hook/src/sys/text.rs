//! Strings as the kernel takes them: a pointer to bytes that end with NUL.

use core::marker::PhantomData;
use core::ptr::NonNull;
use hook_tree::Strings;

/// A string that ends with NUL. Half the size of a slice, and so is the code that passes it on.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Str<'a>(NonNull<u8>, PhantomData<&'a [u8]>);

/// A literal as a [`Str`].
macro_rules! text {
    ($text:literal) => {
        const { $crate::sys::Str::literal(concat!($text, "\0").as_bytes()) }
    };
}

impl<'a> Str<'a> {
    /// For [`text!`]; does not compile with bytes that do not end with NUL.
    pub const fn literal(bytes: &'static [u8]) -> Str<'static> {
        assert!(matches!(bytes, [.., 0]));
        // SAFETY: a slice is never null.
        Str(
            unsafe { NonNull::new_unchecked(bytes.as_ptr().cast_mut()) },
            PhantomData,
        )
    }

    /// The next of some strings, which its NUL follows: that is what `Strings` is.
    pub fn next(strings: &mut Strings<'a>) -> Option<Str<'a>> {
        let string = strings.next_bytes()?;
        Some(Str(NonNull::from(string).cast(), PhantomData))
    }

    /// The string at an address; none at null.
    ///
    /// # Safety
    /// `start` is null or points to bytes that end with NUL and stay as they are during `'a`.
    pub unsafe fn from_raw(start: *const u8) -> Option<Str<'a>> {
        NonNull::new(start.cast_mut()).map(|start| Str(start, PhantomData))
    }

    /// The address.
    pub(super) fn address(self) -> usize {
        self.0.as_ptr() as usize
    }

    /// The bytes before the NUL.
    #[inline(never)]
    pub fn bytes(self) -> &'a [u8] {
        let start = self.0.as_ptr();
        // SAFETY: every constructor has made sure of the NUL and the lifetime.
        unsafe { core::slice::from_raw_parts(start, crate::mem::strlen(start)) }
    }

    /// Whether it is this text.
    #[inline(never)]
    pub fn is(self, other: &[u8]) -> bool {
        self.bytes() == other
    }

    /// The first byte and the rest. Not for an empty string.
    pub fn split_first(self) -> (u8, Str<'a>) {
        // SAFETY: what follows the first byte, which is not the NUL, is a string, too.
        unsafe { (self.0.read(), Str(self.0.add(1), PhantomData)) }
    }
}
