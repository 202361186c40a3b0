//! What chdir and execve want, made before the child exists: the child may not allocate.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hook_model::Hook;

/// Path, arguments, environment and working directory as C strings.
pub struct Image {
    pub path: CString,
    pub argv: Vec<CString>,
    pub envp: Vec<CString>,
    pub cwd: CString,
}

impl Image {
    /// The error is a text for the record.
    pub fn new(hook: &Hook, environ: Vec<String>, cwd: &Path) -> Result<Image, String> {
        let call = || format!("execve({})", hook.path.display());
        let path = CString::new(hook.path.as_os_str().as_bytes())
            .map_err(|_| format!("{}: the path contains a NUL character", call()))?;
        // execve would look for a relative path below the hook's working directory.
        if !hook.path.is_absolute() {
            return Err(format!("{}: the path is not absolute", call()));
        }
        let strings = |list: Vec<String>, what: &str| {
            list.into_iter()
                .map(CString::new)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| format!("{}: {what} contains a NUL character", call()))
        };
        Ok(Image {
            path,
            argv: strings(hook.argv(), "an argument")?,
            envp: strings(environ, "the environment")?,
            cwd: CString::new(cwd.as_os_str().as_bytes()).map_err(|_| {
                format!(
                    "chdir({}): the path contains a NUL character",
                    cwd.display()
                )
            })?,
        })
    }
}
