//! What the vendor's side and the callers' side of one storm know of each other, where both are in this process.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use crate::cli::storm::stamp::VALUES;

/// One response, as the vendor knows it.
#[derive(Debug)]
pub struct Spoken {
    /// Its number, as its first block says it.
    pub number: u16,
    /// Whose it is.
    pub session: Rc<SessionTimes>,
    /// When its first delta went out.
    pub first_sent: Cell<Option<Instant>>,
    /// How many blocks went out.
    pub blocks: Cell<u16>,
    /// Whether everything went out that was to: neither cancelled nor broken off on purpose.
    pub is_whole: Cell<bool>,
}

/// When a session of the vendor heard what.
#[derive(Debug, Default)]
pub struct SessionTimes {
    /// When it last said that the caller had begun.
    pub speech_started: Cell<Option<Instant>>,
}

/// The last responses of all sessions.
#[derive(Debug)]
pub struct Book {
    responses: Vec<Option<Rc<Spoken>>>,
    next: u16,
}

impl Default for Book {
    fn default() -> Self {
        Self { responses: vec![None; usize::from(VALUES)], next: 0 }
    }
}

impl Book {
    /// A response begins.
    pub fn open(&mut self, session: &Rc<SessionTimes>) -> Rc<Spoken> {
        let number = self.next;
        self.next = (self.next + 1) % VALUES;
        let spoken = Rc::new(Spoken {
            number,
            session: Rc::clone(session),
            first_sent: Cell::default(),
            blocks: Cell::default(),
            is_whole: Cell::default(),
        });
        self.responses[usize::from(number)] = Some(Rc::clone(&spoken));
        spoken
    }

    /// The response of this number.
    pub fn find(&self, number: u16) -> Option<Rc<Spoken>> {
        self.responses.get(usize::from(number))?.clone()
    }
}
