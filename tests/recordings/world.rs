//! The world outside of the nodes: a carrier, recognisers and a summariser that nodes reach over a socket, so that a node that is
//! killed lets go of them as it would in life. It counts who is at which call, and how it ends.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a carrier answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The recording.
    Whole,
    /// The recording, after a while.
    Slow,
    /// That it has trouble.
    Trouble,
    /// The first half of the recording, and then nothing.
    Truncated,
    /// A page of HTML instead of sound.
    Lie,
    /// That we may not have it.
    Refused,
    /// Nothing, until the connection is closed.
    Silence,
}

/// Answers the `nth` request (from 0) for what is named so.
pub type Script = dyn Fn(&str, u32) -> Answer + Send + Sync;

/// What was done about one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests for its recordings.
    pub fetches: u32,
    /// … that got the whole recording.
    pub fetched: u32,
    /// Requests for its words.
    pub reads: u32,
    /// … that got them.
    pub read: u32,
    /// Requests that were let go of without a word: whoever asked was killed, or stopped.
    pub let_go: u32,
    /// How many are at it now.
    pub at_once: u32,
    /// How many ever were.
    pub most_at_once: u32,
}

/// The world; dropping it leaves its threads to the end of the test.
#[derive(Clone)]
pub struct World {
    pub address: SocketAddr,
    tallies: Arc<Mutex<HashMap<String, Tally>>>,
    asked: Arc<Mutex<HashMap<String, u32>>>,
}

impl World {
    pub fn start(script: impl Fn(&str, u32) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let world = Self { address: listener.local_addr().unwrap(), tallies: Arc::default(), asked: Arc::default() };
        let (serving, script): (_, Arc<Script>) = (world.clone(), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (world, script) = (serving.clone(), Arc::clone(&script));
                std::thread::spawn(move || world.serve(stream, &*script));
            }
        });
        world
    }

    /// What was done about a call.
    pub fn tally(&self, call: &str) -> Tally {
        self.tallies.lock().unwrap().get(call).cloned().unwrap_or_default()
    }

    pub fn tallies(&self) -> Vec<Tally> {
        self.tallies.lock().unwrap().values().cloned().collect()
    }

    /// `fetch RE… CA…` or `read CA…`; whoever asked says `done` when he has what he needs.
    fn serve(&self, stream: TcpStream, script: &Script) {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if lines.read_line(&mut line).is_err() {
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (is_fetch, what, call) = match words[..] {
            ["fetch", recording, call] => (true, recording, call),
            ["read", call] => (false, call, call),
            _ => return,
        };
        self.note(call, |tally| {
            if is_fetch {
                tally.fetches += 1
            } else {
                tally.reads += 1
            }
            tally.at_once += 1;
            tally.most_at_once = tally.most_at_once.max(tally.at_once);
        });
        let answer = {
            let mut asked = self.asked.lock().unwrap();
            let times = asked.entry(format!("{} {what}", words[0])).or_default();
            *times += 1;
            script(what, *times - 1)
        };
        say(&stream, answer, call);
        let mut said = String::new();
        lines.read_line(&mut said).ok(); // until whoever asked is done, or goes away, also by being killed
        let is_whole = matches!(answer, Answer::Whole | Answer::Slow);
        self.note(call, |tally| {
            tally.at_once -= 1;
            match (said.trim(), is_fetch) {
                ("done", true) if is_whole => tally.fetched += 1,
                ("done", false) if is_whole => tally.read += 1,
                ("done", _) => {}
                _ => tally.let_go += 1,
            }
        });
        // Only now may whoever asked go on: he is not at it any more.
        (&stream).write_all(b"k").ok(); // he may be dead
    }

    fn note(&self, call: &str, change: impl FnOnce(&mut Tally)) {
        change(self.tallies.lock().unwrap().entry(call.to_owned()).or_default());
    }
}

/// `ok`, how long the sound is, how much of it comes, and the sound.
fn say(mut stream: &TcpStream, answer: Answer, call: &str) {
    if answer == Answer::Slow {
        std::thread::park_timeout(Duration::from_millis(300));
    }
    let text = match answer {
        Answer::Whole | Answer::Slow => format!("ok {0} {0}\nRIFF {call}", call.len() + 5),
        Answer::Truncated => format!("ok {} 4\nRIFF", call.len() + 5),
        Answer::Trouble => "trouble 0 0\n".to_owned(),
        Answer::Lie => "ok 6 6\n<html>".to_owned(),
        Answer::Refused => "refused 0 0\n".to_owned(),
        Answer::Silence => return,
    };
    // Whoever asked may be dead.
    stream.write_all(text.as_bytes()).ok();
}
