//! All businesses, as calls see them: a picture of one moment, read from memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Business, CalledNumber};
use crate::engine::ids::{BusinessId, PhoneNumber};

/// All businesses at one moment. It never changes; an edit makes a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    businesses: BTreeMap<BusinessId, Arc<Business>>,
    by_number: HashMap<PhoneNumber, Arc<Business>>,
    catch_all: Option<Arc<Business>>,
}

impl Directory {
    /// Of these businesses. A number that two of them claim is the first one's.
    pub fn of(businesses: impl IntoIterator<Item = Business>) -> Self {
        let mut directory = Self::default();
        for business in businesses {
            let business = Arc::new(business);
            for number in &business.profile.numbers {
                match number {
                    CalledNumber::Any => {
                        directory.catch_all.get_or_insert_with(|| Arc::clone(&business));
                    }
                    CalledNumber::Exact(number) => {
                        directory.by_number.entry(number.clone()).or_insert_with(|| Arc::clone(&business));
                    }
                }
            }
            directory.businesses.insert(business.id.clone(), business);
        }
        directory
    }

    /// The business that answers this number: the one that has it, else the catch-all, else nobody. A call to an
    /// address that is no number (SIP) is for the catch-all alone.
    pub fn answering(&self, called: Option<&PhoneNumber>) -> Option<&Arc<Business>> {
        called.and_then(|called| self.by_number.get(called)).or(self.catch_all.as_ref())
    }

    /// The business with this id.
    pub fn get(&self, id: &BusinessId) -> Option<&Arc<Business>> {
        self.businesses.get(id)
    }

    /// Every business, by id.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Arc<Business>> {
        self.businesses.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::business::Profile;

    fn business(id: &str, numbers: &[&str]) -> Business {
        let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
        let profile = Profile { numbers, ..Profile::named(id) };
        Business { id: id.parse().unwrap(), version: 1, profile }
    }

    fn answers<'a>(directory: &'a Directory, number: &str) -> Option<&'a str> {
        directory.answering(number.parse().ok().as_ref()).map(|business| business.id.as_str())
    }

    #[test]
    fn a_number_of_its_own_wins_over_the_catch_all() {
        let all = [business("Office", &["*"]), business("Bakery", &["+15005550006", "+15005550007"])];
        let directory = Directory::of(all);
        assert_eq!(answers(&directory, "+15005550006"), Some("Bakery"));
        assert_eq!(answers(&directory, "+15005550007"), Some("Bakery"));
        assert_eq!(answers(&directory, "+15005550009"), Some("Office"));
        assert_eq!(answers(&directory, "sip:desk@example.com"), Some("Office"));
        assert_eq!(directory.all().len(), 2);
    }

    #[test]
    fn without_a_catch_all_an_unknown_number_is_nobodys() {
        let directory = Directory::of([business("Bakery", &["+15005550006"]), business("Dentist", &["+15005550007"])]);
        assert_eq!(answers(&directory, "+15005550009"), None, "there is no first business");
        assert_eq!(answers(&directory, "sip:desk@example.com"), None);
        assert_eq!(answers(&Directory::default(), "+15005550006"), None);
        assert_eq!(directory.get(&"Nobody".parse().unwrap()), None);
    }
}
