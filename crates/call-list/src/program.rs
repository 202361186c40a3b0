//! Executes the program, looked up like `execvp` does.

use crate::Error;
use crate::list::{List, Place};

/// Exit code of a launcher that could not execute the program.
const PROGRAM: u8 = 18;
/// Where programs are looked for without a `PATH`, as in glibc and musl.
const DEFAULT_SEARCH: &str = "/bin:/usr/bin";

/// The program, its arguments from argv\[0\] on, and its environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a str,
    pub(crate) arguments: &'a [String],
    pub(crate) environment: &'a [String],
}

impl Program<'_> {
    /// Puts the strings into the list.
    pub(crate) fn prepare(&self, list: &mut List) -> Result<Prepared, Error> {
        if self.path.is_empty() {
            return Err(Error::NoProgram);
        }
        if self.arguments.is_empty() {
            return Err(Error::NoArguments);
        }
        let vector = |list: &mut List, strings: &[String]| {
            let strings: Result<Vec<Place>, Error> =
                strings.iter().map(|s| list.string(s.as_bytes())).collect();
            Ok(list.vector(&strings?))
        };
        let arguments = vector(list, self.arguments)?;
        let environment = vector(list, self.environment)?;
        Ok(Prepared {
            arguments,
            environment,
            candidates: self.candidates(),
        })
    }

    /// The paths to try, in order.
    fn candidates(&self) -> Vec<String> {
        if self.path.contains('/') {
            return vec![self.path.to_owned()];
        }
        // As `getenv` finds it.
        let search = self
            .environment
            .iter()
            .find_map(|entry| entry.strip_prefix("PATH="));
        search
            .unwrap_or(DEFAULT_SEARCH)
            .split(':')
            .map(|dir| match dir {
                // An empty element is the working directory.
                "" => self.path.to_owned(),
                dir => format!("{dir}/{}", self.path),
            })
            .collect()
    }

    /// Executes it. Nothing is carried out after that.
    ///
    /// A file that may not be executed is passed over, but remembered for the error: the list goes on in a second row of
    /// the same attempts, which ends with another text.
    pub(crate) fn execute(&self, list: &mut List, prepared: &Prepared) -> Result<(), Error> {
        list.code = PROGRAM;
        if self.path.contains('/') {
            prepared.attempt(list, self.path)?;
            return Ok(());
        }
        let name = self.path;
        let missing = [libc::ENOENT, libc::ENOTDIR];
        let first = list.next();
        for candidate in &prepared.candidates {
            prepared.attempt(list, candidate)?.tolerate(&missing);
        }
        list.fail(format!(
            "execve({name}): executable file not found in $PATH"
        ));
        let second = list.next();
        for (number, candidate) in prepared.candidates.iter().enumerate() {
            list.lead(first + number, -i64::from(libc::EACCES), second + number);
            // Of the first attempt itself there is none here, so the numbers are one less.
            if number > 0 {
                let call = prepared.attempt(list, candidate)?;
                call.tolerate(&missing).tolerate(&[libc::EACCES]);
            }
        }
        list.fail(format!("execve({name}): permission denied (EACCES)"));
        Ok(())
    }
}

/// What of the program stands in the list.
pub(crate) struct Prepared {
    arguments: Place,
    environment: Place,
    candidates: Vec<String>,
}

impl Prepared {
    fn attempt<'l>(
        &self,
        list: &'l mut List,
        path: &str,
    ) -> Result<&'l mut crate::list::Call, Error> {
        let place = list.string(path.as_bytes())?;
        let arguments = [place.into(), self.arguments.into(), self.environment.into()];
        Ok(list.call(libc::SYS_execve, &arguments, format!("execve({path})")))
    }
}
