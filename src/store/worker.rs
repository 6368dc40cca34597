//! A thread that may get stuck in the database, and a way to ask it that doesn't.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::Duration;

use super::error::StoreError;
use super::keeper::spawn;

/// Asks one thread one question at a time.
pub(super) struct Worker<Q, A> {
    questions: SyncSender<Q>,
    answers: Receiver<A>,
    /// Whether an answer is still to come that nobody waits for any more.
    is_owed: bool,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It did not come in time; the question may still be answered, and what it asked for be done.
    Late,
    /// An earlier question has not been answered yet: this one was not asked.
    Busy,
}

impl<Q: Send + 'static, A: Send + 'static> Worker<Q, A> {
    pub fn start(name: &str, mut answer: impl FnMut(Q) -> A + Send + 'static) -> Result<Self, StoreError> {
        let (questions, asked) = mpsc::sync_channel::<Q>(1);
        let (reply, answers) = mpsc::sync_channel(1);
        spawn(name, move || {
            while let Ok(question) = asked.recv() {
                if reply.send(answer(question)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions, answers, is_owed: false })
    }

    /// Asks, and waits for the answer, but no longer than `patience`.
    pub fn ask(&mut self, question: Q, patience: Duration) -> Result<A, Silence> {
        if self.is_owed {
            match self.answers.try_recv() {
                Ok(_) => self.is_owed = false,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Err(Silence::Busy),
            }
        }
        self.questions.try_send(question).map_err(|_| Silence::Busy)?;
        self.answers.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected => {
                self.is_owed = true;
                Silence::Late
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_worker_is_asked_nothing_more_until_it_has_answered() {
        let (go, gate) = mpsc::channel::<()>();
        let mut worker = Worker::start("test", move |n: u32| {
            gate.recv().unwrap();
            n * 2
        })
        .unwrap();
        let long = Duration::from_secs(10);

        assert_eq!(worker.ask(1, Duration::ZERO), Err(Silence::Late));
        assert_eq!(worker.ask(2, long), Err(Silence::Busy));
        go.send(()).unwrap();
        go.send(()).unwrap();
        let answer = loop {
            match worker.ask(3, long) {
                Err(Silence::Busy) => std::thread::yield_now(),
                answer => break answer,
            }
        };
        assert_eq!(answer, Ok(6), "the late answer to the first question is nobody's");
    }
}
