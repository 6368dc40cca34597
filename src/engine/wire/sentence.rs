//! What a caller hears from Twilio's own voice where no agent speaks, in the business's language where there is a sentence in
//! it, else in English.
//!
//! The tags are those that Twilio takes for `<Say language>` without a voice, except where a voice is named: Twilio's usual
//! voice does not speak that language. Source: twilio.com/docs/voice/twiml/say/text-speech.

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// As many calls are alive as may be.
    AllBusy,
    /// The machine is late already.
    BusyForMinutes,
    /// The call can't be taken, for a reason that is none of the caller's.
    Apology,
}

/// A sentence as it is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The words.
    pub text: &'static str,
    /// The language, as Twilio names it.
    pub language: &'static str,
    /// The voice, where Twilio's usual one does not speak the language.
    pub voice: Option<&'static str>,
}

/// One language.
struct Language {
    /// Its subtags, as ISO 639 names it, or did.
    names: &'static [&'static str],
    /// As Twilio names it; the first is meant where a business names another region, or none.
    tags: &'static [&'static str],
    voice: Option<&'static str>,
    all_busy: &'static str,
    busy_for_minutes: &'static str,
    apology: &'static str,
}

/// The first stands for every language that is not there.
const LANGUAGES: [Language; 8] = [
    Language {
        names: &["en"],
        tags: &["en-US", "en-GB", "en-AU", "en-CA", "en-IN"],
        voice: None,
        all_busy: "We are sorry, all lines are busy at the moment. Please call again later. Goodbye.",
        busy_for_minutes: "We are sorry, all our lines are busy. Please call again in a few minutes. Goodbye.",
        apology: "We are sorry, your call cannot be taken at the moment. Please try again later.",
    },
    Language {
        names: &["de"],
        tags: &["de-DE"],
        voice: None,
        all_busy: "Es tut uns leid, im Moment sind alle Leitungen belegt. Bitte rufen Sie später noch einmal an. Auf \
                   Wiederhören.",
        busy_for_minutes: "Es tut uns leid, alle unsere Leitungen sind belegt. Bitte rufen Sie in einigen Minuten noch einmal \
                           an. Auf Wiederhören.",
        apology: "Es tut uns leid, Ihr Anruf kann im Moment nicht angenommen werden. Bitte versuchen Sie es später noch \
                  einmal.",
    },
    Language {
        names: &["fr"],
        tags: &["fr-FR", "fr-CA"],
        voice: None,
        all_busy: "Nous sommes désolés, toutes nos lignes sont occupées pour le moment. Veuillez rappeler plus tard. Au \
                   revoir.",
        busy_for_minutes: "Nous sommes désolés, toutes nos lignes sont occupées. Veuillez rappeler dans quelques minutes. Au \
                           revoir.",
        apology: "Nous sommes désolés, nous ne pouvons pas prendre votre appel pour le moment. Veuillez réessayer plus tard.",
    },
    Language {
        names: &["es"],
        tags: &["es-ES", "es-MX"],
        voice: None,
        all_busy: "Lo sentimos, todas las líneas están ocupadas en este momento. Por favor, vuelva a llamar más tarde. Adiós.",
        busy_for_minutes: "Lo sentimos, todas nuestras líneas están ocupadas. Por favor, vuelva a llamar dentro de unos \
                           minutos. Adiós.",
        apology: "Lo sentimos, no podemos atender su llamada en este momento. Por favor, inténtelo más tarde.",
    },
    Language {
        names: &["it"],
        tags: &["it-IT"],
        voice: None,
        all_busy: "Ci dispiace, al momento tutte le linee sono occupate. La preghiamo di richiamare più tardi. Arrivederci.",
        busy_for_minutes: "Ci dispiace, tutte le nostre linee sono occupate. La preghiamo di richiamare tra qualche minuto. \
                           Arrivederci.",
        apology: "Ci dispiace, al momento non possiamo rispondere alla sua chiamata. La preghiamo di riprovare più tardi.",
    },
    Language {
        names: &["nl"],
        tags: &["nl-NL"],
        voice: None,
        all_busy: "Het spijt ons, alle lijnen zijn op dit moment bezet. Belt u later nog eens. Tot ziens.",
        busy_for_minutes: "Het spijt ons, al onze lijnen zijn bezet. Belt u over enkele minuten nog eens. Tot ziens.",
        apology: "Het spijt ons, uw oproep kan op dit moment niet worden beantwoord. Probeert u het later nog eens.",
    },
    Language {
        names: &["pt"],
        tags: &["pt-PT", "pt-BR"],
        voice: None,
        all_busy: "Lamentamos, todas as linhas estão ocupadas neste momento. Por favor, volte a ligar mais tarde. Adeus.",
        busy_for_minutes: "Lamentamos, todas as nossas linhas estão ocupadas. Por favor, volte a ligar dentro de alguns \
                           minutos. Adeus.",
        apology: "Lamentamos, não podemos atender a sua chamada neste momento. Por favor, tente mais tarde.",
    },
    Language {
        names: &["he", "iw"],
        tags: &["he-IL"],
        voice: Some("Google.he-IL-Standard-A"),
        all_busy: "אנו מצטערים, כל הקווים תפוסים כרגע. נא להתקשר שוב מאוחר יותר. להתראות.",
        busy_for_minutes: "אנו מצטערים, כל הקווים שלנו תפוסים. נא להתקשר שוב בעוד מספר דקות. להתראות.",
        apology: "אנו מצטערים, לא ניתן לקבל את השיחה כרגע. נא לנסות שוב מאוחר יותר.",
    },
];

impl Sentence {
    /// The sentence in this language, a BCP 47 tag, or in English.
    pub fn in_language(self, tag: &str) -> Spoken {
        let name = tag.split(['-', '_']).next().unwrap_or_default();
        let is_named = |language: &&Language| language.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let language = LANGUAGES.iter().find(is_named).unwrap_or(&LANGUAGES[0]);
        let exact = language.tags.iter().find(|known| known.eq_ignore_ascii_case(tag));
        Spoken {
            text: match self {
                Self::AllBusy => language.all_busy,
                Self::BusyForMinutes => language.busy_for_minutes,
                Self::Apology => language.apology,
            },
            language: exact.unwrap_or(&language.tags[0]),
            voice: language.voice,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_language_is_found_by_its_tag_and_english_stands_for_the_others() {
        for (tag, language) in [
            ("en-US", "en-US"),
            ("en-gb", "en-GB"),
            ("en-IE", "en-US"),
            ("de", "de-DE"),
            ("de-AT", "de-DE"),
            ("fr-CA", "fr-CA"),
            ("he", "he-IL"),
            ("iw-IL", "he-IL"),
            ("ja-JP", "en-US"),
            ("", "en-US"),
        ] {
            assert_eq!(Sentence::AllBusy.in_language(tag).language, language, "{tag}");
        }
        let hebrew = Sentence::Apology.in_language("he-IL");
        assert_eq!((hebrew.voice, hebrew.text.starts_with("אנו מצטערים")), (Some("Google.he-IL-Standard-A"), true));
        assert!(Sentence::AllBusy.in_language("tlh").text.contains("all lines are busy"));
    }

    #[test]
    fn no_two_sentences_are_the_same() {
        let all = [Sentence::AllBusy, Sentence::BusyForMinutes, Sentence::Apology];
        let said =
            LANGUAGES.iter().flat_map(|language| all.map(|sentence| sentence.in_language(language.tags[0]).text));
        let said: Vec<&str> = said.collect();
        assert_eq!(said.iter().collect::<BTreeSet<_>>().len(), said.len());
        assert!(said.iter().all(|text| text.ends_with('.') && !text.contains("  ")));
    }
}
