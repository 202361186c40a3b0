//! Errors of system calls: their names and texts.

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    pub const ENOENT: Errno = Errno(2);
    pub const ENOTDIR: Errno = Errno(20);
    pub const ELOOP: Errno = Errno(40);
    pub const EMSGSIZE: Errno = Errno(90);

    /// What the error means, with its name, for example `no such file or directory (ENOENT)`. Empty when unknown.
    pub fn text(self) -> &'static [u8] {
        hook_tree::lookup(TEXTS, self.0 as u8)
    }
}

/// The errors that are to be expected here; `error N` has to do for others.
const TEXTS: &[u8] = b"\x81operation not permitted (EPERM)\
\x82no such file or directory (ENOENT)\
\x85input/output error (EIO)\
\x87argument list too long (E2BIG)\
\x88exec format error (ENOEXEC)\
\x8bresource temporarily unavailable (EAGAIN)\
\x8ccannot allocate memory (ENOMEM)\
\x8dpermission denied (EACCES)\
\x90device or resource busy (EBUSY)\
\x93no such device (ENODEV)\
\x94not a directory (ENOTDIR)\
\x95is a directory (EISDIR)\
\x96invalid argument (EINVAL)\
\x98too many open files (EMFILE)\
\x9atext file busy (ETXTBSY)\
\x9cno space left on device (ENOSPC)\
\x9eread-only file system (EROFS)\
\xa0broken pipe (EPIPE)\
\xa4file name too long (ENAMETOOLONG)\
\xa6function not implemented (ENOSYS)\
\xa8too many levels of symbolic links (ELOOP)\
\xdamessage too long (EMSGSIZE)\
\xdfoperation not supported (EOPNOTSUPP)\
\xe8connection reset by peer (ECONNRESET)\
\xefconnection refused (ECONNREFUSED)";
