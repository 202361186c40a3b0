//! Strings as the kernel takes them: a pointer to bytes that end with NUL.

use core::marker::PhantomData;
use hook_tree::Cmdline;

/// A string that ends with NUL. Half the size of a slice, and so is the code that passes it on.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Str<'a>(*const u8, PhantomData<&'a [u8]>);

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
        Str(bytes.as_ptr(), PhantomData)
    }

    /// The path of a `cmdline`, which its NUL follows: that is what a `Cmdline` is.
    pub fn from_cmdline(cmdline: &Cmdline<'a>) -> Str<'a> {
        Str(cmdline.path_bytes().as_ptr(), PhantomData)
    }

    /// A string of a buffer.
    ///
    /// # Safety
    /// `start` points to bytes that end with NUL and stay as they are during `'a`.
    pub unsafe fn from_raw(start: *const u8) -> Str<'a> {
        Str(start, PhantomData)
    }

    /// The address.
    pub(super) fn address(self) -> usize {
        self.0 as usize
    }

    /// The bytes before the NUL.
    pub fn bytes(self) -> &'a [u8] {
        // SAFETY: every constructor has made sure of the NUL and the lifetime.
        unsafe { core::slice::from_raw_parts(self.0, crate::mem::strlen(self.0)) }
    }
}
