use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/golden/twiml/", $name, ".xml")).trim_end()
    };
}

#[test]
fn a_call_is_connected_to_our_socket_and_nobody_else_speaks() {
    let callback = callback_url("https://voice.example.com/twilio/stream-status");
    let twiml = Twiml::connect(&Connect {
        action: &callback_url("https://voice.example.com/twilio/stream-ended"),
        stream_url: &websocket_url("https://voice.example.com/twilio/media"),
        name: Some("CA0123456789abcdef0123456789abcdef"),
        status_callback: Some(&callback),
        parameters: &[("token", "AbC-_123")],
    });
    assert_eq!(twiml.as_str(), golden!("connect"));
    for verb in ["<Say", "<Play", "<Record", "<Gather"] {
        assert!(!twiml.as_str().contains(verb), "{verb}");
    }
}

#[test]
fn the_other_documents_are_what_twilio_knows() {
    let refusal = Twiml::say_and_hang_up("This number is not in service. Goodbye & thanks.", "en-GB");
    assert_eq!(refusal.as_str(), golden!("refusal"));
    assert_eq!(Twiml::apology().as_str(), golden!("apology"));
    assert_eq!(Twiml::hang_up().as_str(), golden!("hangup"));
    let dial = Twiml::dial(&Dial {
        number: &number("+15005550009"),
        caller_id: Some(&number("+15005550006")),
        timeout: Duration::from_secs(30),
        time_limit: Duration::from_secs(14_400),
        action: Some("https://voice.example.com/twilio/stream-ended?after=dial&x=1"),
        status_callback: Some("https://voice.example.com/twilio/status#rc=5&rp=all"),
    });
    assert_eq!(dial.as_str(), golden!("dial"));
}

#[test]
fn a_dial_rings_for_as_long_as_twilio_allows() {
    let ring = |seconds| {
        let number = number("+15005550009");
        let (timeout, time_limit) = (Duration::from_secs(seconds), Duration::from_secs(seconds * 10));
        Twiml::dial(&Dial {
            number: &number,
            caller_id: None,
            timeout,
            time_limit,
            action: None,
            status_callback: None,
        })
    };
    for (asked, sent, talk) in [(0, "5", "1"), (30, "30", "300"), (86_400, "600", "86400")] {
        let expected = format!(r#"<Dial timeout="{sent}" timeLimit="{talk}"><Number>+15005550009</Number></Dial>"#);
        assert!(ring(asked).as_str().contains(&expected), "{asked}");
    }
}

#[test]
fn callbacks_ask_to_be_tried_again_once() {
    assert_eq!(callback_url("https://a.example/s"), "https://a.example/s#rc=5&rp=all");
    assert_eq!(callback_url("https://a.example/s#rc=1"), "https://a.example/s#rc=1");
}

#[test]
fn a_websocket_url_has_no_query() {
    assert_eq!(websocket_url("https://a.example:8443/m?x=1#y"), "wss://a.example:8443/m");
    assert_eq!(websocket_url("HTTP://127.0.0.1:8080/m"), "ws://127.0.0.1:8080/m");
    assert_eq!(websocket_url("wss://a.example/m"), "wss://a.example/m");
}

#[test]
fn what_xml_does_not_know_is_left_out() {
    let twiml = Twiml::say_and_hang_up("a\0\u{1}\u{8}\u{b}\u{1f}\u{fffe}\u{ffff}b", "en");
    assert_eq!(read(twiml.as_str()).children[0].text, "ab");
}

#[test]
fn debug_shows_neither_number_nor_token() {
    let twiml = Twiml::hang_up();
    assert_eq!(format!("{twiml:?}"), format!("Twiml({} bytes)", twiml.as_str().len()));
}

proptest! {
    #[test]
    fn whatever_is_said_arrives(text in awkward(), language in awkward()) {
        let twiml = Twiml::say_and_hang_up(&text, &language);
        let say = read(twiml.as_str()).children.remove(0);
        prop_assert_eq!(say.text, legal(&text));
        prop_assert_eq!(&say.attributes["language"], &legal(&language));
    }

    #[test]
    fn whatever_a_parameter_holds_arrives(name in awkward(), value in awkward(), url in awkward()) {
        let twiml = Twiml::connect(&Connect {
            action: &url,
            stream_url: &url,
            name: Some(&name),
            status_callback: Some(&url),
            parameters: &[(&name, &value), (&value, &name)],
        });
        let connect = read(twiml.as_str()).children.remove(0);
        prop_assert_eq!(&connect.attributes["action"], &legal(&url));
        let stream = &connect.children[0];
        prop_assert_eq!(&stream.attributes["url"], &legal(&url));
        prop_assert_eq!(&stream.attributes["statusCallback"], &legal(&url));
        prop_assert_eq!(&stream.children[0].attributes["name"], &legal(&name));
        prop_assert_eq!(&stream.children[0].attributes["value"], &legal(&value));
        prop_assert_eq!(&stream.children[1].attributes["value"], &legal(&name));
    }
}

/// Texts with much in them that XML treats specially.
fn awkward() -> impl Strategy<Value = String> {
    let special = proptest::sample::select("&<>\"'\t\n\r\0\u{1f}\u{7f}\u{85}\u{fffe} ]".chars().collect::<Vec<_>>());
    proptest::collection::vec(prop_oneof![special, any::<char>()], 0..40).prop_map(String::from_iter)
}

fn legal(text: &str) -> String {
    let illegal = |c: &char| c.is_ascii_control() && !"\t\n\r\u{7f}".contains(*c) || "\u{fffe}\u{ffff}".contains(*c);
    text.chars().filter(|c| !illegal(c)).collect()
}

/// An element as a reader of XML finds it.
#[derive(Debug, Default)]
struct Read {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Read>,
}

/// Reads a document as XML 1.0 demands it, as far as TwiML goes; panics at whatever is not well-formed.
fn read(document: &str) -> Read {
    let rest = document.strip_prefix(r#"<?xml version="1.0" encoding="UTF-8"?>"#).expect("the header comes first");
    let (element, rest) = read_element(rest);
    assert_eq!((element.name.as_str(), rest), ("Response", ""), "one root element and nothing after it");
    element
}

fn read_element(xml: &str) -> (Read, &str) {
    let xml = xml.strip_prefix('<').expect("an element begins with <");
    let name_end = xml.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
    let mut element = Read { name: xml[..name_end].to_owned(), ..Read::default() };
    assert!(!element.name.is_empty());
    let mut rest = &xml[name_end..];
    while let Some(attribute) = rest.strip_prefix(' ') {
        let (name, after) = attribute.split_once("=\"").expect("an attribute has a value");
        assert!(name.chars().all(|c| c.is_ascii_alphabetic()), "{name}");
        let (value, after) = after.split_once('"').expect("a value ends");
        assert!(element.attributes.insert(name.to_owned(), unescape(value)).is_none(), "{name} stands there twice");
        rest = after;
    }
    if let Some(rest) = rest.strip_prefix("/>") {
        return (element, rest);
    }
    rest = rest.strip_prefix('>').expect("a tag ends");
    loop {
        let (text, _) = rest.split_at(rest.find('<').expect("an element ends"));
        element.text += &unescape(text);
        rest = &rest[text.len()..];
        if let Some(end) = rest.strip_prefix("</") {
            let end = end.strip_prefix(element.name.as_str()).expect("the end has the beginning's name");
            return (element, end.strip_prefix('>').expect("a tag ends"));
        }
        let (child, after) = read_element(rest);
        element.children.push(child);
        rest = after;
    }
}

/// What an escaped text stands for. White space that is not written by number reads as a space (XML 1.0,
/// 3.3.3), so there must be none.
fn unescape(text: &str) -> String {
    assert!(!text.contains(['<', '>', '"', '\t', '\n', '\r']), "{text:?}");
    let mut plain = String::new();
    let mut parts = text.split('&');
    plain += parts.next().unwrap();
    for part in parts {
        let (entity, rest) = part.split_once(';').expect("an entity ends");
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "#9" => '\t',
            "#10" => '\n',
            "#13" => '\r',
            other => panic!("&{other};"),
        });
        plain += rest;
    }
    let known = |c: char| !c.is_ascii_control() || "\t\n\r\u{7f}".contains(c);
    assert!(plain.chars().all(|c| known(c) && !"\u{fffe}\u{ffff}".contains(c)), "{plain:?}");
    plain
}
