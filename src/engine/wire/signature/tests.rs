use proptest::prelude::*;

use super::*;

/// The request of Twilio's documentation, whose auth token is `12345`.
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

fn documented() -> Form<'static> {
    Form::from_pairs(&[
        ("Digits", "1234"),
        ("CallSid", "CA1234567890ABCDE"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
        ("From", "+14158675309"),
    ])
}

fn signer() -> Signer {
    Signer::new(b"12345")
}

#[test]
fn twilios_published_vector_holds() {
    assert_eq!(signer().sign(URL, &documented()), SIGNATURE);
    assert!(signer().is_valid(SIGNATURE, URL, Payload::Form(&documented())));
}

/// Vectors of Twilio's own libraries: the same form, other URLs.
#[test]
fn the_vectors_of_twilios_libraries_hold() {
    for (url, header) in [
        ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", SIGNATURE),
        ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", "CYn1h0gLBdNxDGkKJg6hYohgeD8="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", SIGNATURE),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "CukzLTc1tT5dXEDIHm/tKBanW10="),
        ("https://user@mycompany.com/myapp.php?foo=1&bar=2", "2YRLlVAflCqxaNicjMpJcSTgzSs="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
        ("https://MyCompany.com/myapp.php?foo=1&bar=2", "g9IN/x4Cft2g517EjYvEvM/W7LU="),
        ("https://MyCompany.com:1234/myapp.php?foo=1&bar=2", "PCqOZm8cnu/L6+u5i5fuEd+Iac4="),
        ("http://MyCompany.com/myapp.php?foo=1&bar=2", "XY7AlKOKL6im4yWyX84gldUrtis="),
        ("HTTP://username:password@MyCompany.com/myapp.php?foo=1&bar=2", "hy/l8pca+LFms4cvRdv8uiP6NGc="),
    ] {
        assert!(signer().is_valid(header, url, Payload::Form(&documented())), "{url} {header}");
    }
}

#[test]
fn a_field_that_is_repeated_counts_once_per_value() {
    let form = Form::from_pairs(&[
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ]);
    assert!(signer().is_valid("IK+Dwps556ElfBT0I3Rgjkr1wJU=", URL, Payload::Form(&form)));
}

#[test]
fn a_json_body_is_signed_by_its_hash_in_the_query() {
    let body = br#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let url = format!("{URL}&bodySHA256={hash}");
    let header = "a9nBmqA0ju/hNViExpshrM61xv4=";
    assert!(signer().is_valid(header, &url, Payload::Body(body)));
    assert!(!signer().is_valid(header, &url, Payload::Body(b"{}")));
    assert!(!signer().is_valid(SIGNATURE, URL, Payload::Body(body)), "no hash, no trust");

    let only = format!("https://mycompany.com/myapp.php?bodySHA256={hash}");
    assert!(signer().is_valid("y77kIzt2vzLz71DgmJGsen2scGs=", &only, Payload::Body(body)));
}

#[test]
fn behind_a_proxy_the_public_url_counts_and_not_the_one_that_arrived() {
    let header = signer().sign("https://voice.example.com/twilio/voice", &documented());
    let fields = documented();
    let form = Payload::Form(&fields);
    assert!(signer().is_valid(&header, "https://voice.example.com/twilio/voice", form));
    assert!(!signer().is_valid(&header, "http://10.0.0.7:8080/twilio/voice", form));
    assert!(!signer().is_valid(&header, "http://voice.example.com/twilio/voice", form));
}

#[test]
fn a_get_is_signed_over_its_query_as_it_stands() {
    let url = "https://voice.example.com/twilio/status?To=%2B1500&CallSid=CA1&RetryMessage=not+found.";
    let header = signer().sign(url, &Form::default());
    assert!(signer().is_valid(&header, url, Payload::None));
    let sorted = "https://voice.example.com/twilio/status?CallSid=CA1&RetryMessage=not+found.&To=%2B1500";
    assert!(!signer().is_valid(&header, sorted, Payload::None));
    let recoded = "https://voice.example.com/twilio/status?To=%2B1500&CallSid=CA1&RetryMessage=not%20found.";
    assert!(!signer().is_valid(&header, recoded, Payload::None));
}

#[test]
fn an_upgrade_is_signed_over_the_wss_url_with_or_without_a_slash() {
    let url = "wss://voice.example.com/twilio/media";
    for signed in [
        "wss://voice.example.com/twilio/media",
        "wss://voice.example.com/twilio/media/",
        "wss://voice.example.com:443/twilio/media",
        "wss://voice.example.com:443/twilio/media/",
    ] {
        let header = signer().sign(signed, &Form::default());
        assert!(signer().is_valid(&header, url, Payload::None), "{signed}");
        assert!(signer().is_valid(&header, "wss://voice.example.com/twilio/media/", Payload::None), "{signed}");
    }
    for other in ["https://voice.example.com/twilio/media", "wss://voice.example.com/twilio/medi"] {
        let header = signer().sign(other, &Form::default());
        assert!(!signer().is_valid(&header, url, Payload::None), "{other}");
    }
}

#[test]
fn a_callback_is_valid_whether_or_not_the_retry_overrides_were_signed() {
    let url = "https://voice.example.com/twilio/status";
    for signed in [url.to_owned(), format!("{url}#rc=5&rp=all")] {
        let header = signer().sign(&signed, &documented());
        assert!(signer().is_valid(&header, url, Payload::Form(&documented())), "{signed}");
    }
    let header = signer().sign(&format!("{url}#rc=0"), &documented());
    assert!(!signer().is_valid(&header, url, Payload::Form(&documented())));
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let valid = |header: &str, url: &str, form: &Form<'_>| signer().is_valid(header, url, Payload::Form(form));
    let form = documented();
    let mut pairs: Vec<(&str, &str)> = form.pairs().iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    pairs[0].1 = "9999";
    assert!(!valid(SIGNATURE, URL, &Form::from_pairs(&pairs)));
    assert!(!valid(SIGNATURE, URL, &Form::from_pairs(&pairs[1..])));
    assert!(!valid(SIGNATURE, "https://mycompany.com/myapp.php?bar=2&foo=1", &form));
    assert!(!Signer::new(b"54321").is_valid(SIGNATURE, URL, Payload::Form(&form)));
    for header in ["", "FAIL", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93/VVr8B8=\n", "\u{738b}", "AAAA"] {
        assert!(!valid(header, URL, &form), "{header:?}");
    }
    let twice = format!("{SIGNATURE}{SIGNATURE}");
    assert!(!valid(&twice, URL, &form));
}

#[test]
fn while_a_token_is_replaced_both_are_good() {
    let both = [Signer::new(b"new"), Signer::new(b"12345")];
    assert!(is_valid_any(&both, SIGNATURE, URL, Payload::Form(&documented())));
    assert!(!is_valid_any(&both[..1], SIGNATURE, URL, Payload::Form(&documented())));
    assert!(!is_valid_any(&[], SIGNATURE, URL, Payload::Form(&documented())));
}

#[test]
fn a_url_with_an_ipv6_address_has_no_port() {
    let header = signer().sign("http://[2001:db8::1]/voice", &Form::default());
    assert!(signer().is_valid(&header, "http://[2001:db8::1]/voice", Payload::None));
    assert!(signer().is_valid(&header, "http://[2001:db8::1]:8080/voice", Payload::None));
}

#[test]
fn debug_shows_no_token() {
    assert_eq!(format!("{:?}", signer()), "Signer");
}

proptest! {
    #[test]
    fn no_url_and_no_header_makes_it_panic(header: String, url: String, body: Vec<u8>) {
        prop_assert!(!signer().is_valid(&header, &url, Payload::Body(&body)));
    }

    #[test]
    fn what_is_signed_is_valid(url: String, pairs in proptest::collection::vec((".*", ".*"), 0..9)) {
        prop_assume!(!url.contains('#'));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let form = Form::from_pairs(&pairs);
        let header = signer().sign(&url, &form);
        prop_assert!(signer().is_valid(&header, &url, Payload::Form(&form)));
    }
}
