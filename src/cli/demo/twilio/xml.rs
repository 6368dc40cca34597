//! As much XML as TwiML needs, read strictly: what a lenient reader would forgive is refused here.
//!
//! Known: a declaration in front, elements, attributes, text, the five named entities and numeric ones.
//! Refused: anything before the first `<`, doctypes, comments, CDATA, processing instructions, a second root.

use thiserror::Error;

/// How deep elements may be nested; TwiML needs four levels.
const DEEPEST: usize = 16;

/// Why a text is not the XML that it should be, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not well-formed at byte {at}: {what}")]
pub struct XmlError {
    /// The byte at which reading stopped.
    pub at: usize,
    /// What was wrong.
    pub what: &'static str,
}

/// An element with everything in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// The elements in it, in order.
    pub children: Vec<Element>,
    /// The text in it, without what its children hold.
    pub text: String,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The root element of a document.
pub fn read(document: &str) -> Result<Element, XmlError> {
    let mut reader = Reader { text: document, at: 0 };
    if !document.starts_with('<') {
        return Err(reader.error("the first byte is not '<'"));
    }
    if reader.take("<?xml ") {
        reader.until("?>", "the declaration does not end")?;
        reader.space();
    }
    let root = reader.element(0)?;
    reader.space();
    if reader.at < document.len() {
        return Err(reader.error("something follows the root element"));
    }
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn element(&mut self, depth: usize) -> Result<Element, XmlError> {
        if depth == DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        self.need("<", "an element is missing")?;
        let mut element = Element { name: self.name()?.to_owned(), ..Element::default() };
        loop {
            let spaced = self.space();
            if self.take("/>") {
                return Ok(element);
            }
            if self.take(">") {
                break;
            }
            if !spaced {
                return Err(self.error("no space before an attribute"));
            }
            let (name, value) = self.attribute()?;
            if element.attribute(&name).is_some() {
                return Err(self.error("an attribute is given twice"));
            }
            element.attributes.push((name, value));
        }
        self.content(&mut element, depth)?;
        Ok(element)
    }

    /// Everything up to and with the closing tag.
    fn content(&mut self, element: &mut Element, depth: usize) -> Result<(), XmlError> {
        loop {
            let raw = self.until_before('<').ok_or_else(|| self.error("an element is not closed"))?;
            element.text.push_str(&self.unescape(raw)?);
            if self.take("</") {
                if self.name()? != element.name {
                    return Err(self.error("the closing tag has another name"));
                }
                self.space();
                return self.need(">", "the closing tag does not end");
            }
            element.children.push(self.element(depth + 1)?);
        }
    }

    fn attribute(&mut self) -> Result<(String, String), XmlError> {
        let name = self.name()?.to_owned();
        self.space();
        self.need("=", "an attribute has no value")?;
        self.space();
        let quote = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return Err(self.error("an attribute's value is not quoted")),
        };
        self.at += 1;
        let raw = self.until_before(quote).ok_or_else(|| self.error("a quote is not closed"))?;
        if raw.contains('<') {
            return Err(self.error("a '<' in an attribute's value"));
        }
        let value = self.unescape(raw)?;
        self.at += 1;
        Ok((name, value))
    }

    fn name(&mut self) -> Result<&'a str, XmlError> {
        let rest = self.rest();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        let end = rest.find(|c| !legal(c)).unwrap_or(rest.len());
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.error("a name is missing"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn unescape(&self, raw: &str) -> Result<String, XmlError> {
        let mut plain = String::with_capacity(raw.len());
        let mut parts = raw.split('&');
        plain.extend(parts.next());
        for part in parts {
            let (entity, rest) = part.split_once(';').ok_or_else(|| self.error("a bare '&'"))?;
            plain.push(character(entity).ok_or_else(|| self.error("an unknown entity"))?);
            plain.push_str(rest);
        }
        match plain.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            Some(_) => Err(self.error("a control character")),
            None => Ok(plain),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) -> bool {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches([' ', '\n', '\r', '\t']).len();
        self.at += length;
        length > 0
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn need(&mut self, what: &str, complaint: &'static str) -> Result<(), XmlError> {
        if self.take(what) { Ok(()) } else { Err(self.error(complaint)) }
    }

    /// The text before `end`, which stays to be read.
    fn until_before(&mut self, end: char) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.find(end)?;
        self.at += length;
        Some(&rest[..length])
    }

    fn until(&mut self, end: &str, complaint: &'static str) -> Result<(), XmlError> {
        let length = self.rest().find(end).ok_or_else(|| self.error(complaint))?;
        self.at += length + end.len();
        Ok(())
    }

    fn error(&self, what: &'static str) -> XmlError {
        XmlError { at: self.at, what }
    }
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        numeric => {
            let digits = numeric.strip_prefix('#')?;
            let code = match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_is_read_whole() {
        let root = read(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>\n <Say voice='a&quot;b'>Tom &amp; J&#xE9;r&#244;me</Say>\n <Hangup/></Response>\n",
        )
        .unwrap();
        assert_eq!(root.name, "Response");
        assert_eq!(root.children[0].attribute("voice"), Some("a\"b"));
        assert_eq!(root.children[0].text, "Tom & Jérôme");
        assert_eq!(root.children[1], Element { name: "Hangup".into(), ..Element::default() });
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let wrong = [
            ("", "the first byte is not '<'"),
            (" <Response/>", "the first byte is not '<'"),
            ("\u{feff}<Response/>", "the first byte is not '<'"),
            ("<Response>", "an element is not closed"),
            ("<Response></Reponse>", "the closing tag has another name"),
            ("<A><B></A></B>", "the closing tag has another name"),
            ("<A/><B/>", "something follows the root element"),
            ("<A/>rest", "something follows the root element"),
            ("<A x=1/>", "an attribute's value is not quoted"),
            ("<A x/>", "an attribute has no value"),
            ("<A x='1' x='2'/>", "an attribute is given twice"),
            ("<A x='1'y='2'/>", "no space before an attribute"),
            ("<A x='<'/>", "a '<' in an attribute's value"),
            ("<A x='1/>", "a quote is not closed"),
            ("<A>a & b</A>", "a bare '&'"),
            ("<A>&nbsp;</A>", "an unknown entity"),
            ("<A>&#0;</A>", "a control character"),
            ("<A><!-- no --></A>", "a name is missing"),
            ("<?xml version='1.0'", "the declaration does not end"),
        ];
        for (document, what) in wrong {
            assert_eq!(read(document).map_err(|error| error.what), Err(what), "{document}");
        }
        assert_eq!(read(&"<A>".repeat(100)).map_err(|error| error.what), Err("nested too deeply"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[<>/&;= '\"a-c#x?!\n\u{e9}-]{0,60}") {
            let _ = (read(&text), read(&format!("<A>{text}</A>")), read(&format!("<A x='{text}'/>")));
        }
    }
}
