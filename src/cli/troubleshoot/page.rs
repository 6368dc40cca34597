//! Text for a terminal of 80 columns.

use jiff::Timestamp;

/// How wide a line may be.
pub(super) const WIDTH: usize = 80;

/// Without what a terminal would obey: words of callers and vendors are shown and not trusted.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A label, and a text beside it in as many lines as it needs; words that are too long for a line are cut.
pub(super) fn labelled(label: &str, indent: usize, text: &str) -> String {
    let room = WIDTH.saturating_sub(indent).max(1);
    let mut lines = vec![String::new()];
    for word in clean(text).split_whitespace() {
        let word = cut(word, room);
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    let mut page = String::new();
    for (number, line) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        page.push_str(format!("{label:<indent$}{line}").trim_end());
        page.push('\n');
    }
    page
}

/// At most so many characters; `…` tells that there were more.
pub(super) fn cut(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// A time in UTC to the second.
pub(super) fn seconds_of(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "-".to_owned(), |at| format!("{at:.0}"))
}

/// A time in UTC to the millisecond.
pub(super) fn millis_of(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "-".to_owned(), |at| format!("{at:.3}"))
}
