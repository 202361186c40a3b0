//! Events on their way out, by a thread of its own: a reader that does not read delays no container.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::event::Event;
use crate::say::say;
use crate::settings::{Format, Wanted};

/// Most events that wait for the reader.
const MOST: usize = 64 << 10;
/// How long the reader may take when we end.
const END: Duration = Duration::from_secs(1);

/// Where events go.
pub struct Output {
    sender: Mutex<Option<SyncSender<String>>>,
    done: Mutex<Receiver<()>>,
    lost: Arc<AtomicU64>,
    wanted: Wanted,
    format: Format,
}

impl Output {
    /// Writes to stdout.
    pub fn new(wanted: Wanted, format: Format) -> Output {
        let (sender, receiver) = sync_channel::<String>(MOST);
        let (ended, done) = sync_channel(0);
        let lost = Arc::new(AtomicU64::new(0));
        thread::spawn(move || {
            write_all(&receiver);
            drop(ended);
        });
        Output {
            sender: Mutex::new(Some(sender)),
            done: Mutex::new(done),
            lost,
            wanted,
            format,
        }
    }

    /// Hands an event over.
    pub fn send(&self, event: &Event) {
        if !event.is_wanted(self.wanted) {
            return;
        }
        let Ok(sender) = self.sender.lock() else {
            return;
        };
        let Some(sender) = &*sender else { return };
        match sender.try_send(event.line(self.format)) {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    say(format!("{lost} events lost: nobody read them"));
                }
            }
            Err(TrySendError::Full(_)) => _ = self.lost.fetch_add(1, Ordering::Relaxed),
            // The reader is gone; hooks run all the same.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Writes what is left, as far as somebody reads it.
    pub fn end(&self) {
        if let Ok(mut sender) = self.sender.lock() {
            *sender = None;
        }
        if let Ok(done) = self.done.lock() {
            let _: Result<(), RecvTimeoutError> = done.recv_timeout(END);
        }
    }
}

fn write_all(lines: &Receiver<String>) {
    let mut to = std::io::stdout();
    for line in lines {
        let written = to.write_all(line.as_bytes()).and_then(|()| to.flush());
        if let Err(e) = written {
            say(format!("write events: {e}; no more are written"));
            return;
        }
    }
}
