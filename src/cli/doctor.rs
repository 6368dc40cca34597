//! `trunkline doctor`: whether calls can come in: the configuration, the account, and both addresses of each number that a
//! business has, by the database or by the configuration; from a PBX, where its socket is enabled; and whether the vendor of
//! the voice agent, if there is one, answers.

mod agents;
mod asterisk;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::out::Out;
use crate::cli::{DoctorArgs, load_config};
use crate::config::Config;
use crate::engine::business::{Business, CalledNumber};
use crate::engine::ids::PhoneNumber;
use crate::engine::wire::twiml::{RETRY_OVERRIDES, callback_url};
use crate::providers::carrier::{Carrier, CarrierError, CarrierNumber, NumberUrls, TwilioRest};
use crate::store::businesses::{Peeked, peek};

/// The exit code if something is wrong.
const WRONG: u8 = 1;

/// Looks at everything, mends what it may, and says what is left.
pub fn run(args: &DoctorArgs) -> ExitCode {
    let config = match load_config(&args.config.sources()) {
        Ok((config, _)) => config,
        Err(code) => return code,
    };
    let mut out = Out::stdout();
    let is_pbx_alone = asterisk::is_used(&config) && !has_twilio(&config);
    let examined = actix::System::new().block_on(async {
        let of_agents = agents::examine(&config, &mut out).await;
        let of_pbx = if asterisk::is_used(&config) { asterisk::examine(&config, &mut out).await } else { 0 };
        of_agents + of_pbx + if is_pbx_alone { 0 } else { examine(&config, args.fix, &mut out).await }
    });
    match examined {
        0 if is_pbx_alone => {
            out.line("all is well: calls from the PBX reach the service; there is no Twilio account");
            ExitCode::SUCCESS
        }
        0 => {
            out.line("all is well: calls to these numbers reach the service");
            ExitCode::SUCCESS
        }
        wrong => {
            let things = if wrong == 1 { "thing is" } else { "things are" };
            out.line(format_args!("{wrong} {things} wrong"));
            ExitCode::from(WRONG)
        }
    }
}

/// Whether anything of Twilio is configured.
fn has_twilio(config: &Config) -> bool {
    config.twilio.account_sid.is_some() || config.twilio.auth_token.is_some()
}

/// How many things are wrong.
async fn examine(config: &Config, fix: bool, out: &mut Out) -> usize {
    let (account, token) = (&config.twilio.account_sid, &config.twilio.auth_token);
    let mut wrong = 0;
    for (is_missing, what, consequence, remedy) in [
        (
            account.is_none(),
            "the Twilio account is not known",
            "no number can be looked at, and no call be placed or hung up",
            "set TWILIO_ACCOUNT_SID",
        ),
        (token.is_none(), "there is no Twilio token", "every webhook is refused", "set TWILIO_AUTH_TOKEN"),
        (
            config.http.public_url.is_none(),
            "http.public_url is not set",
            "it is not known which addresses a number must have",
            "set TRUNKLINE__HTTP__PUBLIC_URL to the https:// address at which Twilio reaches the service",
        ),
    ] {
        if is_missing {
            wrong += 1;
            complain(out, what, consequence, remedy);
        }
    }
    let (Some(account), Some(token), Some(url)) = (account, token, &config.http.public_url) else { return wrong };
    let carrier = TwilioRest::new(config.twilio.api_url.as_str(), account.clone(), token.clone());
    let url = url.as_str().trim_end_matches('/');
    let urls = NumberUrls {
        voice_url: format!("{url}/twilio/voice"),
        status_url: callback_url(&format!("{url}/twilio/status")),
    };
    let wanted = match Wanted::read(config) {
        Ok(wanted) => wanted,
        Err(error) => {
            wrong += 1;
            let what = format!("the businesses can't be read from the database: {error}");
            let consequence = "only the numbers of the configuration's businesses are looked at";
            complain(out, &what, consequence, "check DATABASE_URL and the database, and run this again");
            Wanted::of(&config.seeds(), &Peeked::default())
        }
    };
    match carrier.numbers(None).await {
        Ok(numbers) => wrong + numbers_of(&wanted, &carrier, &numbers, &urls, fix, out).await,
        Err(error) => {
            let remedy = match error {
                CarrierError::Unauthorised(_) => "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
                _ => "check the network and twilio.api_url, and try again",
            };
            complain(out, &format!("the account's numbers can't be read: {error}"), "nothing is known of them", remedy);
            wrong + 1
        }
    }
}

/// The numbers that should be answered here, each with the business that answers it.
struct Wanted {
    numbers: BTreeMap<PhoneNumber, String>,
    /// The business that answers every other number.
    any: Option<String>,
}

impl Wanted {
    /// As the service sees them, or will at its next start.
    fn read(config: &Config) -> Result<Self, crate::store::StoreError> {
        let patience = Duration::from_millis(config.database.connect_timeout_ms.into());
        let known = peek(config.database_url().expose(), patience)?.unwrap_or_default();
        Ok(Self::of(&config.seeds(), &known))
    }

    /// A business that the database knows is as it says there; of the configuration's, those that it does not know count.
    fn of(seeds: &[Business], known: &Peeked) -> Self {
        let is_new = |seed: &&Business| {
            !known.deleted.contains(&seed.id) && !known.businesses.iter().any(|stored| stored.business.id == seed.id)
        };
        let stored = known.businesses.iter().map(|stored| &stored.business);
        let mut wanted = Self { numbers: BTreeMap::new(), any: None };
        for business in stored.chain(seeds.iter().filter(is_new)) {
            let shown = match business.profile.name == business.id.as_str() {
                true => business.profile.name.clone(),
                false => format!("{} ({})", business.profile.name, business.id),
            };
            for number in &business.profile.numbers {
                // The first has it: a number that the database gave to somebody stays there, whatever the file says.
                match number {
                    CalledNumber::Exact(number) if !wanted.numbers.contains_key(number) => {
                        wanted.numbers.insert(number.clone(), shown.clone());
                    }
                    CalledNumber::Any if wanted.any.is_none() => wanted.any = Some(shown.clone()),
                    CalledNumber::Exact(_) | CalledNumber::Any => {}
                }
            }
        }
        wanted
    }

    /// The business that answers this number.
    fn answering(&self, number: &PhoneNumber) -> Option<&str> {
        self.numbers.get(number).or(self.any.as_ref()).map(String::as_str)
    }
}

/// How many of the numbers that should be answered here are wrong.
async fn numbers_of(
    wanted: &Wanted,
    carrier: &TwilioRest,
    owned: &[CarrierNumber],
    urls: &NumberUrls,
    fix: bool,
    out: &mut Out,
) -> usize {
    let mut wrong = 0;
    for (number, business) in &wanted.numbers {
        if !owned.iter().any(|owned| owned.number == *number) {
            wrong += 1;
            let what = format!("{} of the business {business} is no number of the Twilio account", number.as_str());
            complain(out, &what, "no call to it comes in here", "buy it, or correct the numbers of that business");
        }
    }
    let is_ours = |number: &&CarrierNumber| {
        wanted.answering(&number.number).is_some() || is_same(&number.urls.voice_url, &urls.voice_url)
    };
    for number in owned.iter().filter(is_ours) {
        let business = wanted.answering(&number.number);
        wrong += usize::from(!is_right(carrier, number, business, urls, fix, out).await);
    }
    if owned.iter().filter(is_ours).count() == 0 && wanted.numbers.is_empty() {
        wrong += 1;
        complain(out, "the Twilio account has no number", "nobody can call", "buy one in Twilio's console");
    }
    wrong
}

/// Whether a number is as it must be, or is by now.
async fn is_right(
    carrier: &TwilioRest,
    number: &CarrierNumber,
    business: Option<&str>,
    urls: &NumberUrls,
    fix: bool,
    out: &mut Out,
) -> bool {
    let whose = business.map_or_else(|| "no business".to_owned(), |business| format!("business {business}"));
    let shown = format!("{} ({whose})", number.number.as_str());
    if let Some(other) = number.overridden_by {
        let consequence = "Twilio asks that, and never the number's own addresses";
        let remedy = "take it off the number in Twilio's console, then run this again";
        complain(out, &format!("{shown} belongs to {other}"), consequence, remedy);
        return false;
    }
    let found = faults(number, urls);
    if found.is_empty() {
        out.line(format_args!("ok      {shown}: voice URL and status callback"));
        return true;
    }
    if fix {
        match carrier.set_number(&number.sid, urls).await {
            Ok(now) if faults(&now, urls).is_empty() => {
                out.line(format_args!("mended  {shown}: voice URL and status callback"));
                return true;
            }
            Ok(_) => complain(out, &format!("{shown} did not take the addresses"), "as before", "set them by hand"),
            Err(error) => {
                complain(out, &format!("{shown} can't be changed: {error}"), "as before", "set them by hand");
            }
        }
        return false;
    }
    for (what, consequence) in found {
        let remedy = format!("run trunkline doctor --fix, or set it to {}", urls_in_words(urls));
        complain(out, &format!("{shown}: {what}"), consequence, &remedy);
    }
    false
}

/// What is wrong with a number's addresses, and what follows from it.
fn faults(number: &CarrierNumber, urls: &NumberUrls) -> Vec<(String, &'static str)> {
    let mut faults = Vec::new();
    let [voice_method, status_method] = number.methods.each_ref().map(|method| method.as_str());
    for (name, is, should, method, consequence) in [
        (
            "the voice URL",
            &number.urls.voice_url,
            &urls.voice_url,
            voice_method,
            "calls to it are not answered by this service",
        ),
        (
            "the status callback",
            &number.urls.status_url,
            &urls.status_url,
            status_method,
            "the end and the length of calls to it are not told: rows stay open until the carrier is asked",
        ),
    ] {
        if is.is_empty() {
            faults.push((format!("{name} is not set"), consequence));
        } else if !is_same(is, should) {
            faults.push((format!("{name} is {is}"), consequence));
        } else if method != "POST" {
            faults.push((format!("{name} is requested by {method}, not by POST"), consequence));
        }
    }
    faults
}

/// Whether two addresses are the same but for the overrides of Twilio's retries.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |url: &str| url.trim_end_matches(RETRY_OVERRIDES).to_owned();
    bare(one) == bare(other)
}

fn urls_in_words(urls: &NumberUrls) -> String {
    format!("{} (voice) and {} (status), both POST", urls.voice_url, urls.status_url)
}

/// Cause, consequence, remedy.
fn complain(out: &mut Out, what: &str, consequence: &str, remedy: &str) {
    out.line(format_args!("wrong   {what}\n        so      {consequence}\n        remedy  {remedy}"));
}
