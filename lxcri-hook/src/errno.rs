//! Errors of system calls: their names and texts.

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// No error.
    pub const NONE: Errno = Errno(0);
    pub const ENOENT: Errno = Errno(2);
    pub const EACCES: Errno = Errno(13);
    pub const ENOTDIR: Errno = Errno(20);
    pub const ELOOP: Errno = Errno(40);
    pub const EMSGSIZE: Errno = Errno(90);

    /// What the error means, with its name, for example `no such file or directory (ENOENT)`. Empty when unknown.
    pub fn text(self) -> &'static [u8] {
        let mut entries = TEXTS.split(|byte| *byte == b'\n');
        entries
            .find_map(|entry| match entry.split_first() {
                Some((number, text)) if i32::from(*number) == self.0 => Some(text),
                _ => None,
            })
            .unwrap_or_default()
    }
}

/// The errors that are to be expected here; `error N` has to do for others. The number as one byte, then the text: one
/// string is a third of the size of a table of strings. No number here is that of a newline.
const TEXTS: &[u8] = b"\x01operation not permitted (EPERM)
\x02no such file or directory (ENOENT)
\x05input/output error (EIO)
\x07argument list too long (E2BIG)
\x08exec format error (ENOEXEC)
\x0bresource temporarily unavailable (EAGAIN)
\x0ccannot allocate memory (ENOMEM)
\x0dpermission denied (EACCES)
\x10device or resource busy (EBUSY)
\x13no such device (ENODEV)
\x14not a directory (ENOTDIR)
\x15is a directory (EISDIR)
\x16invalid argument (EINVAL)
\x18too many open files (EMFILE)
\x1atext file busy (ETXTBSY)
\x1cno space left on device (ENOSPC)
\x1eread-only file system (EROFS)
\x20broken pipe (EPIPE)
\x24file name too long (ENAMETOOLONG)
\x26function not implemented (ENOSYS)
\x28too many levels of symbolic links (ELOOP)
\x5amessage too long (EMSGSIZE)
\x5foperation not supported (EOPNOTSUPP)
\x68connection reset by peer (ECONNRESET)
\x6fconnection refused (ECONNREFUSED)";
