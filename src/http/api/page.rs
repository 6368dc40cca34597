//! Long lists, one page at a time.
//!
//! A page ends with a cursor: the place in the order of the list at which the next page begins. It names the last
//! item seen and not how many were seen, so what is inserted meanwhile neither repeats an item nor hides one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::value::described;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// Gives the next page, as the parameter `cursor`; `null` on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The only page of an empty list.
    pub fn empty() -> Self {
        Self { items: Vec::new(), next_cursor: None }
    }

    /// The page of these items, and where the list goes on.
    pub fn until<K: Serialize>(items: Vec<T>, next: Option<&K>) -> Self {
        Self { items, next_cursor: next.map(encode) }
    }

    /// The page, made of up to one row more than it holds: that row says that there is a next page.
    pub fn of<R, K: Serialize>(mut rows: Vec<R>, limit: Limit, key: impl Fn(&R) -> K, item: impl Fn(R) -> T) -> Self {
        let has_more = rows.len() > limit.rows();
        rows.truncate(limit.rows());
        let next_cursor = rows.last().filter(|_| has_more).map(|last| encode(&key(last)));
        Self { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

/// How many items a page holds: 1 to 200, 50 unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The most that one page holds: some 100 KB of calls.
    pub const MOST: u8 = 200;

    /// How many items the page holds.
    pub fn rows(self) -> usize {
        self.0.into()
    }

    /// How many rows to ask for: one more than the page holds.
    pub fn rows_to_ask(self) -> usize {
        self.rows() + 1
    }
}

described!(Limit: ObjectBuilder::new()
    .schema_type(Type::Integer)
    .minimum(Some(1))
    .maximum(Some(Limit::MOST))
    .default(Some(Limit::default().0.into()))
    .build());

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer) {
            Ok(rows @ 1..=Self::MOST) => Ok(Self(rows)),
            Ok(_) | Err(_) => Err(D::Error::custom(format!("give a whole number from 1 to {}", Self::MOST))),
        }
    }
}

/// Where a page begins: behind the item with this key. What it looks like is nobody's business but ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor<K>(pub K);

impl<'de, K: DeserializeOwned> Deserialize<'de> for Cursor<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let json = URL_SAFE_NO_PAD.decode(text).ok().filter(|json| !json.windows(NUL.len()).any(|part| part == NUL));
        let key = json.and_then(|json| serde_json::from_slice(&json).ok());
        key.map(Self).ok_or_else(|| D::Error::custom("give the next_cursor of a page of this list, or leave it out"))
    }
}

impl<K> fmt::Debug for Cursor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor")
    }
}

/// The character 0 as JSON writes it: no key of ours holds one, and PostgreSQL takes none, not even in a question.
const NUL: &[u8] = br"\u0000";

fn encode<K: Serialize>(key: &K) -> String {
    // A key is numbers and texts: it can always be written.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor(text: &str) -> Option<(i64, String)> {
        serde_json::from_value::<Cursor<(i64, String)>>(text.into()).ok().map(|cursor| cursor.0)
    }

    proptest! {
        #[test]
        fn a_cursor_gives_back_the_key_that_it_was_made_of(time: i64, name in "[^\0]*") {
            let key = (time, name);
            prop_assert_eq!(cursor(&encode(&key)), Some(key));
        }

        #[test]
        fn a_text_that_is_no_cursor_is_refused(text: String) {
            prop_assert_eq!(cursor(&text), None);
        }

        #[test]
        fn a_page_says_whether_there_is_a_next_one(rows in 0usize..205, limit in 1u8..=200) {
            let asked = Limit(limit).rows_to_ask().min(rows);
            let page = Page::of((0..asked).collect(), Limit(limit), |row| *row, |row| row);
            prop_assert_eq!(page.items.len(), rows.min(limit.into()));
            prop_assert_eq!(page.next_cursor.is_some(), rows > usize::from(limit));
        }
    }

    #[test]
    fn a_forged_cursor_names_nothing_that_a_database_refuses() {
        assert_eq!(cursor(&encode(&(5, "a\0"))), None);
        assert_eq!(cursor(&encode(&(5, "a"))), Some((5, "a".to_owned())));
    }

    #[test]
    fn a_limit_is_1_to_200() {
        let limit = |text: &str| serde_json::from_str::<Limit>(text).ok().map(Limit::rows);
        assert_eq!(["1", "50", "200"].map(limit), [Some(1), Some(50), Some(200)]);
        assert_eq!(["0", "201", "256", "-1", "1.5", "null", "\"5\""].map(limit), [None; 7]);
    }
}
