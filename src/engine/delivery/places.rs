//! Who may be sent to next, so that receivers that hang hold up nobody else.
//!
//! | a business whose receiver | is sent to | together with the others of its kind |
//! |---|---|---|
//! | took what was sent last | as often at once as one business may | every place |
//! | was not sent to yet, since the start of this node | once at a time | half of the places, those below included |
//! | failed last | once at a time | a quarter of the places |

use std::collections::BTreeMap;

use crate::engine::ids::BusinessId;

/// The places of a node, and who has them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// How many are sent at once.
    pub all: usize,
    /// How many of them are one business's, at most.
    pub per_business: usize,
    /// How many of each business are being sent.
    pub busy: BTreeMap<BusinessId, usize>,
    /// Whether the receiver of a business took what was sent last.
    pub took: BTreeMap<BusinessId, bool>,
}

/// Which businesses there is a place for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// For none.
    None,
    /// For all but these.
    AllBut(Vec<BusinessId>),
    /// For these alone.
    Only(Vec<BusinessId>),
}

impl Places {
    /// How many are being sent.
    pub fn taken(&self) -> usize {
        self.busy.values().sum()
    }

    /// Whether there is a place for this business.
    pub fn has_room(&self, business: &BusinessId) -> bool {
        let busy = self.busy.get(business).copied().unwrap_or(0);
        let kind = self.took.get(business).copied();
        self.taken() < self.all && self.has_room_for_kind(kind) && busy < self.most(kind)
    }

    /// Takes a place for a business.
    pub fn take(&mut self, business: &BusinessId) {
        *self.busy.entry(business.clone()).or_default() += 1;
    }

    /// A place of a business is free; whether its receiver took what was sent.
    pub fn answered(&mut self, business: &BusinessId, took: bool) {
        if let Some(count) = self.busy.get_mut(business) {
            *count = count.saturating_sub(1);
        }
        self.busy.retain(|_, count| *count > 0);
        self.took.insert(business.clone(), took);
    }

    /// For whom there is a place.
    pub fn room(&self) -> Room {
        if self.taken() >= self.all {
            return Room::None;
        }
        let with_room = |is_wanted: bool| {
            let known = self.took.keys().filter(move |business| self.has_room(business) == is_wanted);
            known.cloned().collect::<Vec<_>>()
        };
        if !self.has_room_for_kind(None) {
            return Room::Only(with_room(true));
        }
        let unproven = self.busy.keys().filter(|business| !self.took.contains_key(*business));
        let full = unproven.filter(|business| !self.has_room(business)).cloned();
        Room::AllBut(full.chain(with_room(false)).collect())
    }

    fn most(&self, took: Option<bool>) -> usize {
        if took == Some(true) { self.per_business } else { self.per_business.min(1) }
    }

    fn has_room_for_kind(&self, took: Option<bool>) -> bool {
        let of = |is_of: fn(Option<bool>) -> bool| -> usize {
            let busy = self.busy.iter().filter(|(business, _)| is_of(self.took.get(*business).copied()));
            busy.map(|(_, count)| count).sum()
        };
        let (unproven, failing) = (of(|took| took != Some(true)), of(|took| took == Some(false)));
        match took {
            Some(true) => true,
            None => unproven < (self.all / 2).max(1),
            Some(false) => unproven < (self.all / 2).max(1) && failing < (self.all / 4).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn business(n: usize) -> BusinessId {
        format!("b{n}").parse().unwrap()
    }

    fn places(all: usize) -> Places {
        Places { all, per_business: 2, ..Places::default() }
    }

    /// Takes every place that this business may have.
    fn fill(places: &mut Places, n: usize) -> usize {
        let mut taken = 0;
        while places.has_room(&business(n)) {
            places.take(&business(n));
            taken += 1;
        }
        taken
    }

    #[test]
    fn however_many_receivers_hang_one_that_takes_what_is_sent_has_its_places() {
        let mut places = places(32);
        places.take(&business(0));
        places.answered(&business(0), true);
        assert_eq!((1..=100).map(|n| fill(&mut places, n)).sum::<usize>(), 16, "nobody knows them yet");
        assert_eq!(places.room(), Room::Only(vec![business(0)]));
        assert_eq!(fill(&mut places, 0), 2);
        (1..=16).for_each(|n| places.answered(&business(n), false));
        assert_eq!((1..=16).map(|n| fill(&mut places, n)).sum::<usize>(), 8, "they failed");
        assert_eq!(fill(&mut places, 200), 1, "somebody new is not held up by them");
    }

    #[test]
    fn a_receiver_that_is_well_again_gets_its_places_back() {
        let mut places = places(4);
        places.take(&business(1));
        places.answered(&business(1), false);
        assert_eq!(fill(&mut places, 1), 1);
        places.answered(&business(1), true);
        assert_eq!(fill(&mut places, 1), 2);
        assert_eq!(places.room(), Room::AllBut(vec![business(1)]));
    }

    #[test]
    fn one_place_is_enough_for_everybody_in_turn() {
        let mut places = places(1);
        for took in [false, true, false] {
            assert_eq!(fill(&mut places, 1), 1);
            assert_eq!(places.room(), Room::None);
            places.answered(&business(1), took);
        }
    }

    proptest! {
        /// Whoever is asked for by the room has a place, and nobody else has one.
        #[test]
        fn the_room_names_exactly_those_who_have_a_place(
            all in 0..12usize,
            steps in proptest::collection::vec((0..6usize, 0..3usize), 0..60),
        ) {
            let mut places = places(all);
            for (n, what) in steps {
                match what {
                    0 if places.has_room(&business(n)) => places.take(&business(n)),
                    0 => {}
                    _ if places.busy.contains_key(&business(n)) => places.answered(&business(n), what == 1),
                    _ => {}
                }
                prop_assert!(places.taken() <= all);
                for other in 0..8 {
                    let is_meant = match places.room() {
                        Room::None => false,
                        Room::AllBut(full) => !full.contains(&business(other)),
                        Room::Only(some) => some.contains(&business(other)),
                    };
                    prop_assert_eq!(is_meant, places.has_room(&business(other)), "{} {:?}", other, places);
                }
            }
        }
    }
}
