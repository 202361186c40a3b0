//! Has the launcher make superblocks in the container's namespaces, ahead of need where it can.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::Result;
use call_list::Superblock;
use hook_tree::sync as kind;

use crate::mounts::{MakeError, Request, SuperblockMaker};
use crate::sync::{PATIENCE, Peer};

/// How many requests may be under way. Each answer waits in the socket, whose buffer is not for hundreds of them.
const AHEAD: usize = 32;

/// The launcher as a maker of superblocks. It answers requests in their order.
pub struct Maker<'a> {
    peer: &'a Peer,
    announced: VecDeque<Request>,
    asked: VecDeque<Request>,
    ready: VecDeque<(Request, Result<OwnedFd, MakeError>)>,
}

impl<'a> Maker<'a> {
    /// A maker that asks the launcher at the other end.
    pub fn new(peer: &'a Peer) -> Self {
        Maker {
            peer,
            announced: VecDeque::new(),
            asked: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Asks for what was announced, as far as there is room.
    fn ask_ahead(&mut self) -> Result<(), MakeError> {
        while self.asked.len() < AHEAD
            && let Some(request) = self.announced.pop_front()
        {
            self.ask(request)?;
        }
        Ok(())
    }

    fn ask(&mut self, request: Request) -> Result<(), MakeError> {
        let source = request.source.as_ref().map(|s| format!("source={s}"));
        let options: Vec<&str> = source
            .iter()
            .chain(&request.options)
            .map(String::as_str)
            .collect();
        let superblock = Superblock {
            fstype: &request.fstype,
            options: &options,
            attributes: request.attrs,
        };
        let packet = superblock
            .packet()
            .map_err(|error| MakeError(error.to_string()))?;
        self.peer.send_packet(&packet).map_err(failed)?;
        self.asked.push_back(request);
        Ok(())
    }

    /// Takes the answer to the oldest request.
    fn answer(&mut self) -> Result<(), MakeError> {
        let Some(request) = self.asked.pop_front() else {
            return Err(MakeError("nothing was asked of the launcher".to_owned()));
        };
        let answer = self
            .peer
            .receive(Some(Instant::now() + PATIENCE))
            .map_err(failed)?;
        let result = match answer {
            Some(packet) if packet.kind == kind::MOUNT_FD => packet
                .fd
                .ok_or_else(|| MakeError("the launcher sent no descriptor".to_owned())),
            Some(packet) if packet.kind == kind::MOUNT_ERROR => Err(MakeError(
                String::from_utf8_lossy(&packet.payload)
                    .trim_end()
                    .to_owned(),
            )),
            _ => return Err(MakeError("the launcher ended before its time".to_owned())),
        };
        self.ready.push_back((request, result));
        Ok(())
    }
}

impl SuperblockMaker for Maker<'_> {
    fn announce(&mut self, requests: Vec<Request>) {
        self.announced.extend(requests);
        // An error comes again with the first request.
        let _ = self.ask_ahead();
    }

    fn make(
        &mut self,
        fstype: &str,
        source: Option<&str>,
        options: &[String],
        attrs: u64,
    ) -> Result<OwnedFd, MakeError> {
        let wanted = Request {
            fstype: fstype.to_owned(),
            source: source.map(str::to_owned),
            options: options.to_vec(),
            attrs,
        };
        if !self.asked.contains(&wanted) && !self.ready.iter().any(|(r, _)| *r == wanted) {
            self.announced.retain(|r| *r != wanted);
            self.ask(wanted.clone())?;
        }
        loop {
            if let Some(at) = self.ready.iter().position(|(r, _)| *r == wanted)
                && let Some((_, result)) = self.ready.remove(at)
            {
                self.ask_ahead()?;
                return result;
            }
            self.answer()?;
        }
    }
}

fn failed(error: anyhow::Error) -> MakeError {
    MakeError(format!("{error:#}"))
}
