//! Who is called.

use super::*;

const TWO: &str = "[[business]]\nname = \"Bakery\"\nnumber = \"+15005550006\"\ngreeting = \"Bakery!\"\n\
                   [[business]]\nname = \"Office\"\nnumber = \"*\"\ntransfer_to = \"+15005550001\"";

#[test]
fn a_number_of_its_own_wins_over_the_catch_all() {
    let config = Start::with_file(TWO).config();
    assert_eq!(config.business_for(Some(&"+15005550006".parse().unwrap())).unwrap().name.as_str(), "Bakery");
    assert_eq!(config.business_for(Some(&"+15005550009".parse().unwrap())).unwrap().name.as_str(), "Office");
    assert_eq!(config.business[0].language, "en-US");
    assert_eq!(config.business[0].greeting.as_deref(), Some("Bakery!"));
    assert_eq!(config.business[1].greeting, None);
}

#[test]
fn without_a_catch_all_unknown_numbers_have_nobody() {
    let config = Start::with_file("[[business]]\nname = \"Bakery\"\nnumber = \"+15005550006\"").config();
    assert_eq!(config.business_for(Some(&"+15005550009".parse().unwrap())), None);
    assert_eq!(Start::with_file("business = []").config().business_for(Some(&"+15005550009".parse().unwrap())), None);
}
