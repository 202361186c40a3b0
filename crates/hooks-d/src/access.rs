//! Who may write to what hooks come from.

use nix::sys::stat::FileStat;

/// Who may own and write the directories and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Root alone: what others can write is refused.
    #[default]
    RootOnly,
    /// Anyone, for use without root.
    Anyone,
}

/// Whether what was opened may be trusted: whoever can write to it becomes root by it. The error is a reason.
pub fn check_access(stat: &FileStat, access: Access) -> Result<(), String> {
    if access == Access::Anyone {
        return Ok(());
    }
    if stat.st_uid != 0 {
        return Err(format!("is owned by user {}, not by root", stat.st_uid));
    }
    if stat.st_mode & 0o022 != 0 {
        let mode = stat.st_mode & 0o7777;
        return Err(format!(
            "can be written to by others than root (mode {mode:04o})"
        ));
    }
    Ok(())
}
