//! TwiML as the carrier understands it: known verbs with known attributes, and nothing else.

use serde::Serialize;
use thiserror::Error;

use super::xml::{self, Element, XmlError};

/// The most that name and value of a `<Parameter>` may have together.
const PARAMETER_CHARACTERS: usize = 500;

/// Why an answer is no TwiML.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TwimlError {
    /// Not even XML.
    #[error("12100: {0}")]
    Xml(#[from] XmlError),
    /// The root is something else.
    #[error("12101: the root element is <{0}>, not <Response>")]
    Root(String),
    /// An element where it does not belong.
    #[error("12200: <{child}> can't stand in <{parent}>")]
    Element {
        /// In what.
        parent: String,
        /// What stands there.
        child: String,
    },
    /// An attribute that the element does not have.
    #[error("12200: <{element}> has no attribute {attribute:?}")]
    Attribute {
        /// Whose.
        element: String,
        /// Which.
        attribute: String,
    },
    /// Something is missing, or has a value that is not allowed.
    #[error("12200: <{element}>: {what}")]
    Value {
        /// Where.
        element: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Carry the call's audio to a server.
    Connect(Connect),
    /// Speak.
    Say(String),
    /// Call a number and connect the caller with it.
    Dial(String),
    /// End the call.
    Hangup,
    /// Don't answer the call.
    Reject,
    /// Wait so many seconds.
    Pause(u32),
    /// Go on with the instructions at this URL.
    Redirect(String),
}

/// `<Connect><Stream>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connect {
    /// Who is asked how to go on when the stream has ended.
    pub action: Option<String>,
    /// Where the audio goes.
    pub url: String,
    /// Who is told that the stream began and ended.
    pub status_callback: Option<String>,
    /// What the server wants to be told in `start`. They hold a secret, so they are not part of a report.
    #[serde(skip)]
    pub parameters: Vec<(String, String)>,
}

/// The instructions of a document, in order.
pub fn parse(document: &str) -> Result<Vec<Verb>, TwimlError> {
    let root = xml::read(document)?;
    if root.name != "Response" {
        return Err(TwimlError::Root(root.name));
    }
    only_attributes(&root, &[])?;
    root.children.iter().map(verb).collect()
}

fn verb(element: &Element) -> Result<Verb, TwimlError> {
    match element.name.as_str() {
        "Connect" => connect(element).map(Verb::Connect),
        "Say" => {
            only_attributes(element, &["voice", "language", "loop"])?;
            no_children(element)?;
            said("Say", &element.text).map(Verb::Say)
        }
        "Dial" => dial(element),
        "Hangup" => bare(element, &[], Verb::Hangup),
        "Reject" => bare(element, &["reason"], Verb::Reject),
        "Pause" => {
            let seconds = element.attribute("length").unwrap_or("1").parse();
            let seconds = seconds.map_err(|_| value("Pause", "length is not a number of seconds"))?;
            bare(element, &["length"], Verb::Pause(seconds))
        }
        "Redirect" => {
            only_attributes(element, &["method"])?;
            no_children(element)?;
            said("Redirect", &element.text).map(Verb::Redirect)
        }
        other => Err(TwimlError::Element { parent: "Response".into(), child: other.into() }),
    }
}

fn connect(element: &Element) -> Result<Connect, TwimlError> {
    only_attributes(element, &["action", "method"])?;
    if element.attribute("method").is_some_and(|method| method != "POST") {
        return Err(value("Connect", "only POST is played by this carrier"));
    }
    let [stream] = element.children.as_slice() else {
        return Err(value("Connect", "exactly one <Stream> must stand in it"));
    };
    if stream.name != "Stream" {
        return Err(TwimlError::Element { parent: "Connect".into(), child: stream.name.clone() });
    }
    only_attributes(stream, &["url", "name", "track", "statusCallback", "statusCallbackMethod"])?;
    if stream.attribute("track").is_some_and(|track| track != "inbound_track") {
        return Err(value("Stream", "a bidirectional stream has the track inbound_track only"));
    }
    let url = stream.attribute("url").ok_or_else(|| value("Stream", "the url is missing"))?;
    if url.contains('?') {
        return Err(value("Stream", "the url can't have a query; parameters are for that"));
    }
    Ok(Connect {
        action: element.attribute("action").map(str::to_owned),
        url: url.to_owned(),
        status_callback: stream.attribute("statusCallback").map(str::to_owned),
        parameters: stream.children.iter().map(parameter).collect::<Result<_, _>>()?,
    })
}

fn parameter(element: &Element) -> Result<(String, String), TwimlError> {
    if element.name != "Parameter" {
        return Err(TwimlError::Element { parent: "Stream".into(), child: element.name.clone() });
    }
    only_attributes(element, &["name", "value"])?;
    no_children(element)?;
    let (Some(name), Some(given)) = (element.attribute("name"), element.attribute("value")) else {
        return Err(value("Parameter", "name or value is missing"));
    };
    if name.chars().count() + given.chars().count() > PARAMETER_CHARACTERS {
        return Err(value("Parameter", "name and value have more than 500 characters"));
    }
    Ok((name.to_owned(), given.to_owned()))
}

fn dial(element: &Element) -> Result<Verb, TwimlError> {
    let known = [
        "action",
        "method",
        "timeout",
        "callerId",
        "answerOnBridge",
        "timeLimit",
        "hangupOnStar",
        "ringTone",
        "record",
    ];
    only_attributes(element, &known)?;
    match element.children.as_slice() {
        [] => said("Dial", &element.text).map(Verb::Dial),
        [number] if number.name == "Number" => {
            no_children(number)?;
            said("Number", &number.text).map(Verb::Dial)
        }
        [other, ..] => Err(TwimlError::Element { parent: "Dial".into(), child: other.name.clone() }),
    }
}

fn bare(element: &Element, attributes: &[&str], verb: Verb) -> Result<Verb, TwimlError> {
    only_attributes(element, attributes)?;
    no_children(element)?;
    Ok(verb)
}

fn said(element: &'static str, text: &str) -> Result<String, TwimlError> {
    match text.trim() {
        "" => Err(value(element, "there is no text in it")),
        text => Ok(text.to_owned()),
    }
}

fn only_attributes(element: &Element, known: &[&str]) -> Result<(), TwimlError> {
    match element.attributes.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => Err(TwimlError::Attribute { element: element.name.clone(), attribute: name.clone() }),
    }
}

fn no_children(element: &Element) -> Result<(), TwimlError> {
    match element.children.first() {
        None => Ok(()),
        Some(child) => Err(TwimlError::Element { parent: element.name.clone(), child: child.name.clone() }),
    }
}

fn value(element: &'static str, what: &str) -> TwimlError {
    TwimlError::Value { element, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_understood_with_its_parameters() {
        let verbs = parse(
            r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect action="/ended"><Stream url="wss://a.example/media" statusCallback="/stream"><Parameter name="token" value="a&amp;b"/></Stream></Connect></Response>"#,
        )
        .unwrap();
        let expected = Connect {
            action: Some("/ended".into()),
            url: "wss://a.example/media".into(),
            status_callback: Some("/stream".into()),
            parameters: vec![("token".into(), "a&b".into())],
        };
        assert_eq!(verbs, [Verb::Connect(expected)]);
    }

    #[test]
    fn the_ways_to_part_are_understood() {
        let verbs = |inside: &str| parse(&format!("<Response>{inside}</Response>"));
        assert_eq!(verbs("<Hangup/>"), Ok(vec![Verb::Hangup]));
        assert_eq!(verbs("<Dial timeout='20'>+15005550006</Dial>"), Ok(vec![Verb::Dial("+15005550006".into())]));
        assert_eq!(verbs("<Dial><Number>+15005550006</Number></Dial>"), Ok(vec![Verb::Dial("+15005550006".into())]));
        let refusal = vec![Verb::Say("Sorry.".into()), Verb::Hangup];
        assert_eq!(verbs("<Say language='en-GB'>Sorry.</Say><Hangup/>"), Ok(refusal));
        assert_eq!(verbs(""), Ok(vec![]));
    }

    #[test]
    fn what_the_schema_does_not_know_is_refused() {
        let wrong = [
            ("<Response><Hangup reason='x'/></Response>", "12200: <Hangup> has no attribute \"reason\""),
            ("<Response><Record/></Response>", "12200: <Record> can't stand in <Response>"),
            ("<response/>", "12101: the root element is <response>, not <Response>"),
            ("<Response><Connect/></Response>", "12200: <Connect>: exactly one <Stream> must stand in it"),
            ("<Response><Connect><Stream/></Connect></Response>", "12200: <Stream>: the url is missing"),
            (
                "<Response><Connect><Stream url='wss://a/?b=1'/></Connect></Response>",
                "12200: <Stream>: the url can't have a query; parameters are for that",
            ),
            (
                "<Response><Connect><Stream url='wss://a/' track='both_tracks'/></Connect></Response>",
                "12200: <Stream>: a bidirectional stream has the track inbound_track only",
            ),
            ("<Response><Say> </Say></Response>", "12200: <Say>: there is no text in it"),
            ("<Response><Say>a & b</Say></Response>", "12100: not well-formed at byte 20: a bare '&'"),
        ];
        for (document, complaint) in wrong {
            assert_eq!(parse(document).map_err(|error| error.to_string()), Err(complaint.to_owned()), "{document}");
        }
        let long = format!(
            "<Response><Connect><Stream url='wss://a/'><Parameter name='n' value='{}'/></Stream></Connect></Response>",
            "v".repeat(500)
        );
        assert!(matches!(parse(&long), Err(TwimlError::Value { element: "Parameter", .. })));
    }
}
