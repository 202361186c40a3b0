//! Working directory and user of the process.

use crate::Error;
use crate::list::{List, Place};
use crate::process::Process;

/// `PATH_MAX` in words.
const PATH_WORDS: usize = 512;

impl Process {
    /// Some directories only the user may enter, for example on a FUSE or root-squashed NFS mount; others only root.
    pub(crate) fn change_directory_and_user(&self, list: &mut List) -> Result<(), Error> {
        let Some(cwd) = &self.cwd else {
            self.change_user(list);
            return Ok(());
        };
        let cwd = Directory::of(list, cwd)?;
        let entry = list.next();
        cwd.enter(list, &[libc::EACCES]);
        self.change_user(list);
        cwd.enter(list, &[]);
        cwd.check(list);
        let done = list.jump();
        list.lead(entry, 0, list.next());
        cwd.check(list);
        self.change_user(list);
        list.lead(done, 0, list.next());
        Ok(())
    }

    fn change_user(&self, list: &mut List) {
        if let Some(groups) = &self.groups {
            let ids: Vec<u8> = groups.iter().flat_map(|id| id.to_ne_bytes()).collect();
            let ids = list.bytes(&ids);
            let arguments = [groups.len().into(), ids.into()];
            list.call(
                libc::SYS_setgroups,
                &arguments,
                format!("setgroups({groups:?})"),
            );
        }
        if let Some(gid) = self.gid {
            list.call(
                libc::SYS_setresgid,
                &[gid.into(); 3],
                format!("setresgid({gid})"),
            );
        }
        if let Some(uid) = self.uid {
            list.call(
                libc::SYS_setresuid,
                &[uid.into(); 3],
                format!("setresuid({uid})"),
            );
        }
    }
}

/// The working directory in a list.
struct Directory {
    path: Place,
    /// Where getcwd(2) puts its path.
    name: Place,
    text: Vec<u8>,
}

impl Directory {
    fn of(list: &mut List, path: &[u8]) -> Result<Directory, Error> {
        Ok(Directory {
            path: list.string(path)?,
            name: list.words(&[0; PATH_WORDS]),
            text: [b"chdir(", path, b")"].concat(),
        })
    }

    fn enter(&self, list: &mut List, tolerated: &[i32]) {
        list.call(libc::SYS_chdir, &[self.path.into()], &self.text)
            .tolerate(tolerated);
    }

    /// Outside of the root, reached through an inherited descriptor, would be a way out (CVE-2024-21626). The kernel names
    /// such a directory with `(unreachable)` in front.
    fn check(&self, list: &mut List) {
        let size = PATH_WORDS * size_of::<u64>();
        list.call(
            libc::SYS_getcwd,
            &[self.name.into(), size.into()],
            "getcwd()",
        );
        let text = [&self.text, &b": outside of the root"[..]].concat();
        list.compare(self.name, 0xff, b'/'.into(), text);
    }
}
