//! Under which addresses a recording may lie, the best first.

use url::Url;

use crate::engine::ids::{AccountSid, RecordingSid};

use super::hosts::is_this_machine;

/// What is put behind the address of a recording, the best first: both voices apart; all voices in one; MP3, an eighth of
/// the size; whatever the carrier has.
const FORMS: [(&str, Option<&str>); 4] =
    [(".wav", Some("RequestedChannels=2")), (".wav", None), (".mp3", None), ("", None)];

/// The addresses of a recording: of the one that was announced, or, where none was that can be read, of the one that has
/// this sid.
pub(super) fn candidates(
    api: &Url,
    account: &AccountSid,
    recording: &RecordingSid,
    announced: Option<&str>,
) -> Vec<Url> {
    let own = || resource(api, account, &format!("Recordings/{recording}"));
    let address = announced.and_then(|announced| plain(api, announced)).unwrap_or_else(own);
    let of_form = |(ending, query): (&str, Option<&str>)| {
        let mut url = address.clone();
        url.set_path(&format!("{}{ending}", address.path()));
        url.set_query(query);
        url
    };
    FORMS.map(of_form).into()
}

/// Something of the account's, at the carrier's interface.
pub(super) fn resource(api: &Url, account: &AccountSid, path: &str) -> Url {
    let mut url = api.clone();
    url.set_path(&format!("{}/2010-04-01/Accounts/{account}/{path}", api.path().trim_end_matches('/')));
    url
}

/// An announced address, whole or relative, without what says in which form it is wanted.
fn plain(api: &Url, announced: &str) -> Option<Url> {
    let announced = announced.trim();
    let mut url = api.join(announced).ok().filter(|url| !announced.is_empty() && url.has_host())?;
    url.set_query(None);
    url.set_fragment(None);
    // A user in front of the host is there to mislead; a carrier of old announced http and answers https.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    if url.scheme() == "http" && !is_this_machine(&url) {
        url.set_scheme("https").ok()?;
    }
    let path = url.path().to_owned();
    let bare = [".json", ".wav", ".mp3"].iter().find_map(|ending| path.strip_suffix(ending));
    url.set_path(bare.unwrap_or(&path));
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000002";
    const RECORDING: &str = "RE00000000000000000000000000000003";

    fn of(announced: Option<&str>) -> Vec<String> {
        let api = "https://api.twilio.com".parse().unwrap();
        let urls = candidates(&api, &ACCOUNT.parse().unwrap(), &RECORDING.parse().unwrap(), announced);
        urls.iter().map(Url::to_string).collect()
    }

    #[test]
    fn both_voices_apart_are_asked_for_first() {
        let base = format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING}");
        let expected =
            [format!("{base}.wav?RequestedChannels=2"), format!("{base}.wav"), format!("{base}.mp3"), base.clone()];
        for announced in [
            None,
            Some(""),
            Some("https://"),
            Some(base.as_str()),
            Some(&format!("{base}.json")),
            Some(&format!("{base}.mp3?RequestedChannels=1#x")),
            Some(&format!("http{}", &base[5..])),
            Some(&format!("https://AC:secret@{}", &base[8..])),
            Some(&base[22..]),
        ] {
            assert_eq!(of(announced), expected, "{announced:?}");
        }
    }

    #[test]
    fn a_relative_address_is_the_carriers_own_and_another_host_stays_what_it_is() {
        assert_eq!(of(Some("/a/b.json"))[1], "https://api.twilio.com/a/b.wav");
        assert_eq!(of(Some("//evil.example/a"))[1], "https://evil.example/a.wav");
        assert_eq!(of(Some("https://api.twilio.com/../../a"))[1], "https://api.twilio.com/a.wav");
    }

    #[test]
    fn the_interface_may_lie_below_a_path() {
        let api: Url = "http://127.0.0.1:9/twilio/".parse().unwrap();
        let url = resource(&api, &ACCOUNT.parse().unwrap(), "Recordings/x.json");
        assert_eq!(url.path(), format!("/twilio/2010-04-01/Accounts/{ACCOUNT}/Recordings/x.json"));
    }
}
