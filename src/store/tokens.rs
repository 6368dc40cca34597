//! The tokens of the interface for operators: who has one, for what, and until when.

use diesel::prelude::*;

use crate::engine::ids::BusinessId;

use super::Store;
use super::db::{Conn, both};
use super::error::{Fault, StoreError};
use super::schema::api_tokens;

/// What a token lets its holder do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// Everything, tokens included.
    Admin,
    /// Everything that belongs to this business, and nothing else.
    Business(BusinessId),
    /// See everything, and change nothing.
    Viewer,
}

impl TokenScope {
    /// The word that is stored and shown.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Business(_) => "business",
            Self::Viewer => "viewer",
        }
    }

    /// The business that it is for, if it is for one.
    pub const fn business(&self) -> Option<&BusinessId> {
        match self {
            Self::Business(business) => Some(business),
            Self::Admin | Self::Viewer => None,
        }
    }
}

/// A token, without its text, which nobody has but its holder. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its name for programs: 16 hexadecimal digits. It is no secret.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub scope: TokenScope,
    /// SHA-256 of its text, in hexadecimal digits.
    pub hash: String,
    /// When it was made.
    pub created_at: i64,
    /// From when on it is worth nothing; `None`: never.
    pub expires_at: Option<i64>,
    /// When it was used last, to within the interval at which uses are written down.
    pub last_used_at: Option<i64>,
    /// When it was taken back.
    pub revoked_at: Option<i64>,
}

/// Every method blocks for as long as the database does.
impl Store {
    /// Keeps a new token.
    pub fn add_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        let row = TokenRow::from(token);
        self.change(|conn| {
            both!(conn, |c| diesel::insert_into(api_tokens::table).values(&row).execute(c))?;
            Ok(())
        })
    }

    /// Every token that was not taken back.
    pub fn tokens_in_use(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.ask(|conn| {
            both!(conn, |c| api_tokens::table
                .filter(api_tokens::revoked_at.is_null())
                .select(TokenRow::as_select())
                .load(c))?
            .into_iter()
            .map(ApiToken::try_from)
            .collect()
        })
    }

    /// The newest tokens, those that were taken back among them; behind the one of this time and id.
    pub fn tokens_page(&self, behind: Option<&(i64, String)>, rows: usize) -> Result<Vec<ApiToken>, StoreError> {
        use api_tokens::{created_at, id};
        self.ask(|conn| {
            both!(conn, |c| {
                let mut page = api_tokens::table.select(TokenRow::as_select()).into_boxed();
                if let Some((time, name)) = behind {
                    page = page.filter(created_at.lt(time).or(created_at.eq(time).and(id.lt(name))));
                }
                page.order((created_at.desc(), id.desc())).limit(rows as i64).load(c)
            })?
            .into_iter()
            .map(ApiToken::try_from)
            .collect()
        })
    }

    /// Takes a token back at `at`; one that was taken back before stays as it is. The token; `None` if there is none.
    pub fn revoke_token(&self, id: &str, at: i64) -> Result<Option<ApiToken>, StoreError> {
        self.change(|conn| {
            both!(&mut *conn, |c| diesel::update(api_tokens::table.find(id).filter(api_tokens::revoked_at.is_null()))
                .set(api_tokens::revoked_at.eq(at))
                .execute(c))?;
            both!(conn, |c| api_tokens::table.find(id).select(TokenRow::as_select()).first(c).optional())?
                .map(ApiToken::try_from)
                .transpose()
        })
    }

    /// Notes when tokens were used last, each by its id.
    pub fn note_tokens_used(&self, used: &[(String, i64)]) -> Result<(), StoreError> {
        use api_tokens::last_used_at;
        self.change(|conn| {
            for (id, at) in used {
                let is_later = last_used_at.is_null().or(last_used_at.lt(at));
                both!(&mut *conn, |c| diesel::update(api_tokens::table.find(id).filter(is_later))
                    .set(last_used_at.eq(at))
                    .execute(c))?;
            }
            Ok(())
        })
    }

    /// Changes what no call writes, in one transaction.
    pub(super) fn change<T>(&self, change: impl FnMut(&mut Conn) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.ask_of(|db| db.transaction(change))
    }
}

/// One row of `api_tokens`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = api_tokens)]
struct TokenRow {
    id: String,
    name: String,
    scope: String,
    business: Option<String>,
    hash: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<&ApiToken> for TokenRow {
    fn from(token: &ApiToken) -> Self {
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            scope: token.scope.as_str().to_owned(),
            business: token.scope.business().map(ToString::to_string),
            hash: token.hash.clone(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

impl TryFrom<TokenRow> for ApiToken {
    type Error = Fault;

    fn try_from(row: TokenRow) -> Result<Self, Fault> {
        let scope = match (row.scope.as_str(), row.business) {
            ("admin", None) => TokenScope::Admin,
            ("viewer", None) => TokenScope::Viewer,
            ("business", Some(business)) => {
                TokenScope::Business(business.parse().map_err(|_| Fault::Corrupt("api_tokens.business"))?)
            }
            _ => return Err(Fault::Corrupt("api_tokens.scope")),
        };
        Ok(Self {
            id: row.id,
            name: row.name,
            scope,
            hash: row.hash,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }
}
