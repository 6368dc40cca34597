//! The tokens that are valid, in memory: who asks is known without a question to the database, and also while the
//! database is away.
//!
//! The book is read anew every few seconds, so that a token made or taken back on another node counts here; one that was
//! made or taken back here counts at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use secrecy::{ExposeSecret, SecretString};

use crate::store::{ApiToken, Store, StoreError, TokenScope};

use super::caller::Caller;
use super::token;

/// The name under which the requests of the administrator's own token are counted.
const ADMIN: &str = "admin";

/// Every valid token.
pub struct TokenBook {
    admin: String,
    stored: RwLock<HashMap<String, Arc<Entry>>>,
    /// Counts what this node changes, so that an older reading of the database does not undo it.
    changes: AtomicU64,
}

struct Entry {
    token: ApiToken,
    name: Arc<str>,
    /// When it was used last; 0 if not since that was written down.
    used_at: AtomicI64,
}

impl TokenBook {
    /// A book that knows the administrator's token alone.
    pub fn new(admin: &SecretString) -> Self {
        let admin = token::hash(admin.expose_secret());
        Self { admin, stored: RwLock::default(), changes: AtomicU64::new(0) }
    }

    /// Who has this token, at `now` (microseconds since 1970-01-01 UTC); `None` if nobody does.
    pub fn look_up(&self, text: &str, now: i64) -> Option<Caller> {
        if token::is_token_of(text, &self.admin) {
            return Some(Caller::new(ADMIN.into(), TokenScope::Admin));
        }
        let entry = self.read().get(token::id(text)?).cloned()?;
        let is_valid =
            token::is_token_of(text, &entry.token.hash) && entry.token.expires_at.is_none_or(|end| now < end);
        if !is_valid {
            return None;
        }
        entry.used_at.fetch_max(now, Ordering::Relaxed);
        Some(Caller::new(Arc::clone(&entry.name), entry.token.scope.clone()))
    }

    /// Who has the token of that name, at `now`: of one who is known by another proof that came from it. `None` if it is not
    /// valid any more.
    pub fn holder(&self, name: &str, now: i64) -> Option<Caller> {
        if name == ADMIN {
            return Some(Caller::new(ADMIN.into(), TokenScope::Admin));
        }
        let entry = self.read().get(name).cloned()?;
        if entry.token.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        entry.used_at.fetch_max(now, Ordering::Relaxed);
        Some(Caller::new(Arc::clone(&entry.name), entry.token.scope.clone()))
    }

    /// A token was made here.
    pub fn add(&self, token: ApiToken) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.write().insert(token.id.clone(), Entry::of(token, 0));
    }

    /// A token was taken back here.
    pub fn remove(&self, id: &str) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.write().remove(id);
    }

    /// Writes down when tokens were used, and reads the book anew. Blocks for as long as the database does; while that is
    /// away the book stays as it is.
    pub fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let used: Vec<(String, i64)> = self.read().values().filter_map(|entry| entry.use_to_note()).collect();
        if !used.is_empty() {
            store.note_tokens_used(&used)?;
        }
        let changes = self.changes.load(Ordering::Acquire);
        let tokens = store.tokens_in_use()?;
        let mut stored = self.write();
        if self.changes.load(Ordering::Acquire) == changes {
            let used_at = |id: &str| stored.get(id).map_or(0, |entry| entry.used_at.load(Ordering::Relaxed));
            *stored = tokens
                .into_iter()
                .map(|token| {
                    (token.id.clone(), {
                        let at = used_at(&token.id);
                        Entry::of(token, at)
                    })
                })
                .collect();
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<Entry>>> {
        self.stored.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<Entry>>> {
        self.stored.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of(token: ApiToken, used_at: i64) -> Arc<Self> {
        Arc::new(Self { name: token.id.as_str().into(), token, used_at: AtomicI64::new(used_at) })
    }

    /// Its id and when it was used last, if that is later than what is written down.
    fn use_to_note(&self) -> Option<(String, i64)> {
        let used_at = self.used_at.load(Ordering::Relaxed);
        (used_at > self.token.last_used_at.unwrap_or(0)).then(|| (self.token.id.clone(), used_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::token::{Minted, mint};

    fn token(minted: &Minted, scope: TokenScope, expires_at: Option<i64>) -> ApiToken {
        ApiToken {
            id: minted.id.clone(),
            name: "a test".to_owned(),
            scope,
            hash: minted.hash.clone(),
            created_at: 0,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn who(book: &TokenBook, text: &str, now: i64) -> Option<String> {
        book.look_up(text, now).map(|caller| caller.token().to_owned())
    }

    #[test]
    fn only_a_valid_token_has_a_caller() {
        let admin = SecretString::from("the administrator's own token");
        let book = TokenBook::new(&admin);
        let minted = mint().unwrap();
        assert_eq!(who(&book, admin.expose_secret(), 5), Some("admin".to_owned()));
        assert_eq!(who(&book, &minted.text, 5), None);
        book.add(token(&minted, TokenScope::Viewer, Some(10)));
        assert_eq!(who(&book, &minted.text, 9), Some(minted.id.clone()));
        assert_eq!(who(&book, &minted.text, 10), None, "it has expired");
        assert_eq!(who(&book, &format!("{}x", minted.text), 9), None);
        assert_eq!(who(&book, &minted.hash, 9), None, "what is stored is no token");
        assert_eq!(who(&book, "", 9), None);
        let holder = |name: &str, now| book.holder(name, now).map(|caller| caller.token().to_owned());
        assert_eq!((holder("admin", 5), holder(&minted.id, 9)), (Some("admin".into()), Some(minted.id.clone())));
        assert_eq!((holder(&minted.id, 10), holder("nobody", 9)), (None, None));
        book.remove(&minted.id);
        assert_eq!(holder(&minted.id, 9), None);
        assert_eq!(who(&book, &minted.text, 9), None, "it was taken back");
    }
}
