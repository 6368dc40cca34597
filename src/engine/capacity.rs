//! How many calls may be alive at once, and how the nodes of one database share that.
//!
//! Each node leases slots ahead: as many as it uses, and a share of the rest to spare, so that a call is taken without
//! asking anybody and goes on to be taken while the database is away. The leases of all nodes together never exceed the
//! limit, which [`grant`] keeps.

use std::fmt;

use crate::engine::ids::BusinessId;

/// Which calls are counted together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every call.
    All,
    /// Those of one business.
    Business(BusinessId),
    /// Those that one business places.
    Outbound(BusinessId),
}

impl fmt::Display for Scope {
    /// As it is stored: `all`, `calls:name`, `outbound:name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Business(business) => write!(f, "calls:{business}"),
            Self::Outbound(business) => write!(f, "outbound:{business}"),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a node asks for in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which calls.
    pub scope: Scope,
    /// How many of them may be alive at once over all nodes.
    pub limit: u32,
    /// How many are alive on this node.
    pub used: u32,
    /// How many slots it needs now: `used`, and one for each call that waits to be taken.
    pub needed: u32,
    /// How many of the slots that it has leased it goes on to count up to, until it is answered.
    pub held: u32,
}

impl Wish {
    /// How many slots the node would like, of `nodes` that share the limit: what it needs, and half of its share to spare.
    ///
    /// Half: the other half is there for whoever is busier. Of a limit below twice the number of nodes nothing is held to
    /// spare, and each call is asked for.
    pub fn wanted(&self, nodes: u32) -> u32 {
        self.needed.saturating_add(self.limit / nodes.max(1) / 2).min(self.limit.max(self.used))
    }

    /// How many slots the node gets, while the other nodes hold `others`. Never less than it uses, since calls that are
    /// alive are not ended by a limit, and never less than it holds, since it may use them by now.
    pub fn granted(&self, others: u32, nodes: u32) -> u32 {
        self.wanted(nodes).min(self.limit.saturating_sub(others)).max(self.used).max(self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(limit: u32, used: u32, needed: u32) -> Wish {
        Wish { scope: Scope::All, limit, used, needed, held: 0 }
    }

    #[test]
    fn a_node_alone_holds_half_of_the_limit_to_spare_and_gets_all_of_it() {
        assert_eq!(wish(10, 0, 0).granted(0, 1), 5);
        assert_eq!(wish(10, 5, 6).granted(0, 1), 10);
        assert_eq!(wish(10, 10, 11).granted(0, 1), 10);
        assert_eq!(wish(1, 0, 1).granted(0, 1), 1);
    }

    #[test]
    fn nobody_gets_what_others_hold_and_no_call_loses_its_slot() {
        assert_eq!(wish(10, 2, 3).granted(8, 2), 2);
        assert_eq!(wish(10, 2, 3).granted(7, 2), 3);
        assert_eq!(wish(0, 4, 5).granted(0, 1), 4, "a limit that was lowered");
        assert_eq!(wish(3, 0, 0).granted(0, 2), 0, "a small limit is not held to spare");
        assert_eq!(wish(3, 0, 1).granted(0, 2), 1);
    }

    #[test]
    fn a_scope_has_a_name_of_its_own() {
        let business: BusinessId = "Bakery".parse().unwrap();
        let scopes = [Scope::All, Scope::Business(business.clone()), Scope::Outbound(business)];
        assert_eq!(scopes.map(|scope| scope.to_string()), ["all", "calls:Bakery", "outbound:Bakery"]);
    }

    proptest! {
        /// Nodes that take and free slots, and ask in any order; while they wait for the answer they take more.
        #[test]
        fn all_leases_together_never_exceed_the_limit(
            limit in 0..40_u32,
            nodes in 1..6_usize,
            steps in proptest::collection::vec((0..6_usize, 0..4_u32, 0..9_u32), 1..200),
        ) {
            let mut used = vec![0_u32; nodes];
            let mut leased = vec![0_u32; nodes];
            for (node, what, meanwhile) in steps {
                let node = node % nodes;
                match what {
                    0 if used[node] < leased[node] => used[node] += 1,
                    0 | 1 => used[node] = used[node].saturating_sub(1),
                    _ => {
                        let others = leased.iter().sum::<u32>() - leased[node];
                        let asked = wish(limit, used[node], used[node] + what - 2);
                        let held = leased[node].min(asked.wanted(nodes as u32).max(used[node]));
                        used[node] = (used[node] + meanwhile).min(held.max(used[node]));
                        leased[node] = Wish { held, ..asked }.granted(others, nodes as u32);
                    }
                }
                prop_assert!(leased.iter().sum::<u32>() <= limit, "{leased:?}");
                prop_assert!(used.iter().zip(&leased).all(|(used, leased)| used <= leased), "{used:?} {leased:?}");
            }
        }
    }
}
