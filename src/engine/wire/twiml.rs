//! TwiML: what we tell Twilio to do with a call.
//!
//! A [`Twiml`] is made of elements, never of text, so it is always well-formed: nothing stands before the XML
//! header (Twilio's error 12100), every text and attribute is escaped, and characters that XML 1.0 doesn't know
//! are left out. No document greets the caller or records: the call's own actor speaks, and `<Connect>` comes
//! alone.
//!
//! `<Connect><Stream>` lasts until *our* side closes the media socket; Twilio then requests the `action` URL,
//! whose answer hangs up, dials or apologises. If the caller leaves, the document is over.
//!
//! Rules: twilio.com/docs/voice/twiml, …/twiml/stream, …/usage/webhooks/webhooks-connection-overrides.

use std::fmt;
use std::time::Duration;

use super::sentence::{Sentence, Spoken};
use crate::engine::ids::PhoneNumber;

/// Asks Twilio to try a callback again: up to 5 times (the most that it allows), on every kind of failure. It
/// reads this from the URL's fragment and sends none of it.
pub const RETRY_OVERRIDES: &str = "#rc=5&rp=all";
/// The most of a `<Say>` that Twilio speaks, in characters.
const LONGEST_SAY: usize = 4_096;

/// A callback URL that Twilio tries again when it fails. One that has a fragment already stays as it is.
pub fn callback_url(url: &str) -> String {
    if url.contains('#') { url.to_owned() } else { format!("{url}{RETRY_OVERRIDES}") }
}

/// The WebSocket URL that belongs to an HTTP URL: `https` becomes `wss`, `http` becomes `ws` (which Twilio
/// doesn't take, but a loopback does). Query and fragment are dropped: Twilio sends none.
pub fn websocket_url(url: &str) -> String {
    let url = url.split_once(['?', '#']).map_or(url, |(url, _)| url);
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => format!("wss://{rest}"),
        _ => url.to_owned(),
    }
}

/// A whole document, to be sent as [`Twiml::CONTENT_TYPE`].
#[derive(Clone, PartialEq, Eq)]
pub struct Twiml(String);

/// Gives the call's audio to a WebSocket, both ways.
#[derive(Clone, Debug)]
pub struct Connect<'a> {
    /// What Twilio requests when the stream is over.
    pub action: &'a str,
    /// The WebSocket; no query, Twilio drops it.
    pub stream_url: &'a str,
    /// The stream's name, in Twilio's log.
    pub name: Option<&'a str>,
    /// What Twilio tells when the stream starts, stops or fails.
    pub status_callback: Option<&'a str>,
    /// What comes back in the stream's `start`. Name and value together: at most 500 characters each pair.
    pub parameters: &'a [(&'a str, &'a str)],
}

/// Connects the caller with another number.
#[derive(Clone, Debug)]
pub struct Dial<'a> {
    /// Whom to call.
    pub number: &'a PhoneNumber,
    /// The number to show; Twilio's default is the caller's own.
    pub caller_id: Option<&'a PhoneNumber>,
    /// How long it may ring: 5 to 600 s.
    pub timeout: Duration,
    /// How long the two may talk: 1 s to 24 h.
    pub time_limit: Duration,
    /// What Twilio requests when the second leg is over; without it, the call ends then.
    pub action: Option<&'a str>,
    /// Where the second leg's status is reported.
    pub status_callback: Option<&'a str>,
}

impl Twiml {
    /// The media type of every document.
    pub const CONTENT_TYPE: &'static str = "application/xml";

    /// Answers the call and gives its audio to us.
    pub fn connect(connect: &Connect<'_>) -> Self {
        let mut stream = Element::new("Stream")
            .with("url", connect.stream_url)
            .with_some("name", connect.name)
            .with_some("statusCallback", connect.status_callback);
        for (name, value) in connect.parameters {
            stream = stream.child(Element::new("Parameter").with("name", name).with("value", value));
        }
        Self::of([Element::new("Connect").with("action", connect.action).child(stream)])
    }

    /// Says a sentence and hangs up: a refusal, or an apology. The language is a BCP 47 tag.
    pub fn say_and_hang_up(text: &str, language: &str) -> Self {
        let spoken: String = text.chars().take(LONGEST_SAY).collect();
        Self::of([Element::new("Say").with("language", language).text(spoken), Element::new("Hangup")])
    }

    /// Says one of our own sentences in this language, a BCP 47 tag, or in English, and hangs up.
    pub fn refusal(sentence: Sentence, language: &str) -> Self {
        let Spoken { text, language, voice } = sentence.in_language(language);
        let say = Element::new("Say").with("language", language).with_some("voice", voice).text(text.to_owned());
        Self::of([say, Element::new("Hangup")])
    }

    /// What is answered when nothing else can be: an apology in English, and the end.
    pub fn apology() -> Self {
        Self::refusal(Sentence::Apology, "en-US")
    }

    /// Ends the call.
    pub fn hang_up() -> Self {
        Self::of([Element::new("Hangup")])
    }

    /// Connects the caller with another number.
    pub fn dial(dial: &Dial<'_>) -> Self {
        let seconds = dial.timeout.as_secs().clamp(5, 600).to_string();
        let most = dial.time_limit.as_secs().clamp(1, 86_400).to_string();
        let number = Element::new("Number")
            .with_some("statusCallback", dial.status_callback)
            .with_some("statusCallbackEvent", dial.status_callback.map(|_| "initiated ringing answered completed"))
            .text(dial.number.as_str().to_owned());
        let dial = Element::new("Dial")
            .with_some("callerId", dial.caller_id.map(PhoneNumber::as_str))
            .with("timeout", &seconds)
            .with("timeLimit", &most)
            .with_some("action", dial.action)
            .child(number);
        Self::of([dial])
    }

    /// The document's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The document's text.
    pub fn into_string(self) -> String {
        self.0
    }

    fn of<const N: usize>(verbs: [Element; N]) -> Self {
        let mut response = Element::new("Response");
        for verb in verbs {
            response = response.child(verb);
        }
        let mut xml = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        response.write(&mut xml);
        Self(xml)
    }
}

impl fmt::Debug for Twiml {
    /// The length only: a document may hold a number or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twiml({} bytes)", self.0.len())
    }
}

/// One element: attributes, then either text or children.
struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), text: String::new(), children: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.attributes.push((name, value.to_owned()));
        self
    }

    fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn text(mut self, text: String) -> Self {
        self.text = text;
        self
    }

    fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    fn write(&self, xml: &mut String) {
        xml.push('<');
        xml.push_str(self.name);
        for (name, value) in &self.attributes {
            xml.push(' ');
            xml.push_str(name);
            xml.push_str("=\"");
            escape(value, xml);
            xml.push('"');
        }
        if self.text.is_empty() && self.children.is_empty() {
            xml.push_str("/>");
            return;
        }
        xml.push('>');
        escape(&self.text, xml);
        for child in &self.children {
            child.write(xml);
        }
        xml.push_str("</");
        xml.push_str(self.name);
        xml.push('>');
    }
}

/// Writes a text so that it stands for itself in an element and in an attribute. White space is written by
/// number, since a reader of XML makes spaces of it otherwise.
fn escape(text: &str, xml: &mut String) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\t' => xml.push_str("&#9;"),
            '\n' => xml.push_str("&#10;"),
            '\r' => xml.push_str("&#13;"),
            // XML 1.0, production 2: not a character, not even by number.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
