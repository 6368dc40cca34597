//! Who asks, and what they may: every handler takes a [`Caller`].

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::engine::ids::BusinessId;
use crate::store::TokenScope;

use super::problem::Problem;

/// The holder of a valid token. There is none before the token was checked, so a handler that takes one can't be
/// reached without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    token: Arc<str>,
    scope: TokenScope,
}

impl Caller {
    pub(in crate::http) fn new(token: Arc<str>, scope: TokenScope) -> Self {
        Self { token, scope }
    }

    /// The name under which its requests are counted: the token's id, or `admin`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Only an administrator goes on.
    pub fn must_be_admin(&self) -> Result<(), Problem> {
        match &self.scope {
            TokenScope::Admin => Ok(()),
            TokenScope::Business(_) | TokenScope::Viewer => {
                Err(Problem::forbidden("this needs a token of scope admin"))
            }
        }
    }

    /// Whoever may only look goes no further.
    pub fn may_change(&self) -> Result<(), Problem> {
        match &self.scope {
            TokenScope::Admin | TokenScope::Business(_) => Ok(()),
            TokenScope::Viewer => Err(Problem::forbidden("a token of scope viewer can read and change nothing")),
        }
    }

    /// What it may do, in a word.
    pub fn role(&self) -> &'static str {
        match &self.scope {
            TokenScope::Admin => "admin",
            TokenScope::Business(_) => "business",
            TokenScope::Viewer => "viewer",
        }
    }

    /// The business whose things alone it sees; `None` if it sees everybody's.
    pub fn business(&self) -> Option<&BusinessId> {
        match &self.scope {
            TokenScope::Business(business) => Some(business),
            TokenScope::Admin | TokenScope::Viewer => None,
        }
    }

    /// Whether it sees what belongs to this business; what belongs to nobody is for those who see everything.
    pub fn sees(&self, owner: Option<&BusinessId>) -> bool {
        match self.business() {
            Some(own) => owner == Some(own),
            None => true,
        }
    }

    /// The thing, if there is one and the caller sees its owner; else 404, the same for both.
    pub fn visible<T>(
        &self,
        what: &str,
        thing: Option<T>,
        owner: impl Fn(&T) -> Option<&BusinessId>,
    ) -> Result<T, Problem> {
        thing.filter(|thing| self.sees(owner(thing))).ok_or_else(|| Problem::not_found(what))
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| Problem::internal("a route of the interface that nobody guards")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scope: TokenScope) -> Caller {
        Caller::new("t".into(), scope)
    }

    #[test]
    fn each_scope_sees_and_changes_what_it_may() {
        let (bakery, florist): (BusinessId, BusinessId) = ("Bakery".parse().unwrap(), "Florist".parse().unwrap());
        let owners = [None, Some(&bakery), Some(&florist)];
        for (scope, sees, changes, is_admin) in [
            (TokenScope::Admin, [true, true, true], true, true),
            (TokenScope::Viewer, [true, true, true], false, false),
            (TokenScope::Business(bakery.clone()), [false, true, false], true, false),
        ] {
            let caller = caller(scope.clone());
            assert_eq!(owners.map(|owner| caller.sees(owner)), sees, "{scope:?}");
            assert_eq!(caller.may_change().is_ok(), changes, "{scope:?}");
            assert_eq!(caller.must_be_admin().is_ok(), is_admin, "{scope:?}");
        }
    }
}
