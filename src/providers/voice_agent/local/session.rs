//! One call's session: orders in, events out.
//!
//! A response is laid ready as a whole and handed over as fast as the call takes it, caller's audio and
//! orders first: a cancel finds what was not handed over yet and takes it back.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};

use crate::engine::audio::Rate;
use crate::engine::call::{AgentCounter, Ask, ResponseOutcome, Tool, ToolCall, ToolResult};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::{AgentBrief, AgentDesk, AgentEvent, AgentInput, AgentOrder, Chunk};

use super::Sound;
use super::clips::Clip;
use super::ears::Ears;
use super::receptionist::{Line, Receptionist, Reply, Then};
use super::tts::{Speech, SpeechError, Wanted};

/// How long the caller waits for the business's own greeting before the clip is used. 1 s of silence after
/// the ringing is heard as a connection being made; more is heard as nobody there.
const GREETING_WAIT: Duration = Duration::from_secs(1);
/// Between two lines of a response.
const PAUSE: Duration = Duration::from_millis(250);
/// A question counts as heard when no more than this of it was cut off: the last syllable.
const SYLLABLE: Duration = Duration::from_millis(300);
/// Chunks handed over per second of sound.
const CHUNKS_PER_SECOND: usize = 5;

/// The session of one call.
#[derive(Debug)]
pub(super) struct Session<R: Rate> {
    desk: AgentDesk<R>,
    receptionist: Receptionist,
    ears: Ears<R>,
    greeting: OwnGreeting,
    /// The response that waits for the business's own greeting.
    waiting: Option<Waiting>,
    /// What is to be handed to the call, in order.
    outbox: VecDeque<AgentEvent<R>>,
    /// The latest response that was laid ready.
    said: Option<Said>,
    /// Tool calls so far.
    tools: u32,
    /// The tool call that hands the caller over.
    transfer: Option<String>,
}

/// The business's own greeting.
#[derive(Debug)]
enum OwnGreeting {
    /// The clip is used.
    None,
    /// It is being spoken into memory.
    Coming { text: String, task: JoinHandle<Result<Option<Sound>, SpeechError>> },
    /// It is there.
    Ready { text: String, spoken: Sound },
}

/// What a session wakes up for.
enum Next<R: Rate> {
    /// The call gave something.
    Input(AgentInput<R>),
    /// The business's own greeting has come, or it won't.
    Greeting(Result<Option<Sound>, SpeechError>),
    /// An event was handed over.
    Told,
    /// The call needs no agent any more.
    CallOver,
}

#[derive(Debug)]
struct Waiting {
    response: ResponseId,
    reply: Reply,
    patience: Pin<Box<Sleep>>,
}

#[derive(Debug)]
struct Said {
    response: ResponseId,
    /// How much must be heard for its question to be heard.
    question_ends: Duration,
    /// Whether the call has told how much was heard.
    is_truncated: bool,
}

impl<R: Rate> Session<R> {
    pub(super) fn new(brief: AgentBrief, desk: AgentDesk<R>, speech: Arc<Speech>) -> Self {
        Self {
            receptionist: Receptionist::new(brief.may_transfer),
            greeting: OwnGreeting::of(brief, speech, R::HZ),
            desk,
            ears: Ears::new(),
            waiting: None,
            outbox: VecDeque::from([AgentEvent::Ready { detects_turns: false }]),
            said: None,
            tools: 0,
            transfer: None,
        }
    }

    /// Serves the call until it ends.
    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                Next::Input(AgentInput::CallerAudio(frame)) => self.ears.hear(frame),
                Next::Input(AgentInput::Order(order)) => self.obey(order),
                Next::Greeting(greeting) => self.greet(greeting),
                Next::Told => {}
                Next::CallOver => return self.leave(),
            }
        }
    }

    /// What happens next; what the call gives goes first.
    async fn next(&mut self) -> Next<R> {
        tokio::select! {
            biased;
            input = self.desk.inputs.recv() => input.map_or(Next::CallOver, Next::Input),
            greeting = coming(&mut self.greeting, &mut self.waiting), if self.waiting.is_some() => Next::Greeting(greeting),
            place = self.desk.events.reserve(), if !self.outbox.is_empty() => match (place, self.outbox.pop_front()) {
                (Ok(place), Some(event)) => {
                    place.send(event);
                    Next::Told
                }
                _ => Next::CallOver,
            }
        }
    }

    fn obey(&mut self, order: AgentOrder) {
        match order {
            AgentOrder::Respond { response, ask } => self.respond(response, &ask),
            AgentOrder::Cancel(response) => self.cancel(response),
            AgentOrder::Truncate { response, heard } => self.truncate(response, heard),
            AgentOrder::Dtmf(key) => self.receptionist.pressed(key),
            AgentOrder::ToolResult { call_id, result: ToolResult::Refused(_) } => {
                if self.transfer.as_ref() == Some(&call_id) {
                    self.receptionist.refused();
                }
            }
            AgentOrder::ToolResult { result: ToolResult::Done, .. } => {}
            AgentOrder::CallerSpeech { speaking: true } => self.ears.begin(),
            AgentOrder::CallerSpeech { speaking: false } => self.finish_utterance(),
        }
    }

    fn respond(&mut self, response: ResponseId, ask: &Ask) {
        if let Some(earlier) = self.unfinished() {
            self.cancel(earlier);
        }
        if *ask == Ask::Answer {
            // The call may ask before it tells that the caller has finished, and it asks at a key.
            self.finish_utterance();
        }
        let reply = self.receptionist.reply(ask);
        let heard = self.ears.take();
        if reply.keep {
            self.outbox.push_back(AgentEvent::MessageTaken(Chunk::new(heard.samples)));
        }
        self.outbox.push_back(AgentEvent::ResponseStarted(response));
        if reply.lines.contains(&Line::Greeting) && matches!(self.greeting, OwnGreeting::Coming { .. }) {
            self.waiting = Some(Waiting { response, reply, patience: Box::pin(sleep(GREETING_WAIT)) });
        } else {
            self.speak(response, &reply);
        }
    }

    /// The response that has not been handed over whole.
    fn unfinished(&self) -> Option<ResponseId> {
        let waiting = self.waiting.as_ref().map(|waiting| waiting.response);
        waiting.or_else(|| {
            self.outbox.iter().find_map(|event| match event {
                AgentEvent::ResponseEnded { response, outcome: ResponseOutcome::Completed } => Some(*response),
                _ => None,
            })
        })
    }

    fn cancel(&mut self, response: ResponseId) {
        if self.unfinished() != Some(response) {
            return;
        }
        self.waiting = None;
        self.outbox.retain(|event| !belongs_to(event, response));
        self.outbox.push_back(AgentEvent::ResponseEnded { response, outcome: ResponseOutcome::Cancelled });
        if !self.said.as_ref().is_some_and(|said| said.response == response && said.is_truncated) {
            self.receptionist.interrupted(false);
        }
    }

    fn truncate(&mut self, response: ResponseId, heard: Duration) {
        if let Some(said) = self.said.as_mut().filter(|said| said.response == response) {
            said.is_truncated = true;
            self.receptionist.interrupted(heard + SYLLABLE >= said.question_ends);
        }
    }

    /// The caller's utterance is over. No words are recognised, and the call is told so: it need not wait
    /// for any.
    fn finish_utterance(&mut self) {
        if let Some(spoken) = self.ears.end() {
            self.receptionist.spoke(spoken);
            self.outbox.push_back(AgentEvent::CallerText { text: String::new(), confidence: None });
        }
    }

    /// The business's own greeting has come, or it won't.
    fn greet(&mut self, greeting: Result<Option<Sound>, SpeechError>) {
        self.greeting = match (std::mem::replace(&mut self.greeting, OwnGreeting::None), greeting) {
            (OwnGreeting::Coming { text, .. }, Ok(Some(spoken))) => OwnGreeting::Ready { text, spoken },
            (_, Ok(_)) => OwnGreeting::None,
            (_, Err(_)) => {
                self.outbox.push_back(AgentEvent::Counted(AgentCounter::VendorError));
                OwnGreeting::None
            }
        };
        if let Some(Waiting { response, reply, .. }) = self.waiting.take() {
            self.speak(response, &reply);
        }
    }

    /// Lays a response ready.
    fn speak(&mut self, response: ResponseId, reply: &Reply) {
        let mut length = Duration::ZERO;
        let mut question_ends = Duration::ZERO;
        for (number, line) in reply.lines.iter().enumerate() {
            let (text, mut samples) = self.sound(*line);
            if number + 1 < reply.lines.len() {
                samples.resize(samples.len() + (R::HZ as usize * PAUSE.as_millis() as usize) / 1_000, 0);
            }
            length += Duration::from_micros(samples.len() as u64 * 1_000_000 / u64::from(R::HZ));
            if number == reply.question {
                question_ends = length;
            }
            self.say(response, &text, &samples, number == 0);
        }
        if let Some(tool) = reply.then.tool() {
            let call_id = self.name_tool_call(&tool);
            self.outbox.push_back(AgentEvent::ToolCalled(ToolCall { call_id, response: Some(response), tool }));
        }
        self.outbox.push_back(AgentEvent::ResponseEnded { response, outcome: ResponseOutcome::Completed });
        self.said = Some(Said { response, question_ends, is_truncated: false });
    }

    /// Lays one line ready: chunks of sound, and before each the words that begin in it.
    fn say(&mut self, response: ResponseId, text: &str, samples: &[i16], is_first: bool) {
        let chunks: Vec<&[i16]> = samples.chunks(R::HZ as usize / CHUNKS_PER_SECOND).collect();
        let mut words = words_by_chunk(text, chunks.len()).into_iter();
        for (number, chunk) in chunks.into_iter().enumerate() {
            let words = words.next().unwrap_or_default();
            if !words.is_empty() {
                let text = if is_first && number == 0 { words } else { format!(" {words}") };
                self.outbox.push_back(AgentEvent::Text { response, text });
            }
            self.outbox.push_back(AgentEvent::Audio { response, chunk: Chunk::new(chunk.to_vec()) });
        }
    }

    /// The words and the sound of a line.
    fn sound(&self, line: Line) -> (String, Vec<i16>) {
        let clip = match (line, &self.greeting) {
            (Line::Greeting, OwnGreeting::Ready { text, spoken }) => return (text.clone(), spoken.to_vec()),
            (Line::Greeting, _) => Clip::Hello,
            (Line::Fixed(clip), _) => clip,
        };
        (clip.text().to_owned(), clip.samples::<R>().to_vec())
    }

    fn name_tool_call(&mut self, tool: &Tool) -> String {
        self.tools += 1;
        let name = format!("local-{}", self.tools);
        if matches!(tool, Tool::Transfer(_)) {
            self.transfer = Some(name.clone());
        }
        name
    }

    /// The call is over: what the caller said to the end is kept.
    fn leave(mut self) {
        self.finish_utterance();
        let mut messages: Vec<_> =
            self.outbox.drain(..).filter(|event| matches!(event, AgentEvent::MessageTaken(_))).collect();
        if self.receptionist.would_keep() {
            messages.push(AgentEvent::MessageTaken(Chunk::new(self.ears.take().samples)));
        }
        for message in messages {
            if self.desk.events.try_send(message).is_err() {
                return; // The call has stopped listening: nobody is there to keep it.
            }
        }
    }
}

/// What becomes of the greeting that a response waits for. Pending for ever if none does.
async fn coming(greeting: &mut OwnGreeting, waiting: &mut Option<Waiting>) -> Result<Option<Sound>, SpeechError> {
    let (OwnGreeting::Coming { task, .. }, Some(waiting)) = (greeting, waiting) else {
        return std::future::pending().await;
    };
    tokio::select! {
        spoken = task => spoken.unwrap_or(Err(SpeechError::Crashed)),
        () = &mut waiting.patience => Err(SpeechError::TooSlow),
    }
}

impl OwnGreeting {
    /// Begins to speak the greeting of `brief` into memory. What comes too late for this call is there for
    /// the next.
    fn of(brief: AgentBrief, speech: Arc<Speech>, hz: u32) -> Self {
        let Some(text) = brief.greeting.filter(|text| !text.trim().is_empty() && speech.has_program()) else {
            return Self::None;
        };
        let wanted = Wanted { text: text.clone(), language: brief.language, voice: brief.voice, hz };
        Self::Coming { text, task: tokio::spawn(async move { speech.speak(wanted).await }) }
    }
}

impl Then {
    fn tool(self) -> Option<Tool> {
        match self {
            Self::Listen => None,
            Self::HangUp => Some(Tool::HangUp),
            Self::Transfer => Some(Tool::Transfer(None)),
        }
    }
}

/// Whether a cancel of `response` takes this event back.
fn belongs_to<R: Rate>(event: &AgentEvent<R>, response: ResponseId) -> bool {
    match event {
        AgentEvent::Audio { response: of, .. }
        | AgentEvent::Text { response: of, .. }
        | AgentEvent::ResponseEnded { response: of, .. } => *of == response,
        AgentEvent::ToolCalled(call) => call.response == Some(response),
        _ => false,
    }
}

/// The words of `text`, each in the chunk in which it begins if letters take equal time.
fn words_by_chunk(text: &str, chunks: usize) -> Vec<String> {
    let mut spoken = vec![String::new(); chunks];
    let letters: usize = text.split_whitespace().map(str::len).sum();
    let mut before = 0;
    for word in text.split_whitespace() {
        if let Some(words) = spoken.get_mut(before * chunks / letters) {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        before += word.len();
    }
    spoken
}

#[cfg(test)]
mod tests;
