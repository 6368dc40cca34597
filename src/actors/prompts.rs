//! The prompts of calls, of which the part that calls have in common is kept.
//!
//! A [`Foundation`] is kept by business, direction, channel and version, so that an edit, which makes a new version, can
//! never be answered with the words from before it; what it made useless is dropped when the edit is seen. What is true
//! of one call only is added each time and kept nowhere.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::engine::business::{Business, Directory};
use crate::engine::ids::BusinessId;
use crate::engine::prompt::{CallContext, Channel, Foundation, Prompt, PromptBuilder};
use crate::telemetry::{Event, Telemetry};

/// How many foundations are kept: those of more businesses than call one node within a few minutes, in 12 MB if all of
/// them are as long as may be.
const KEPT: usize = 1_024;

/// Makes the prompt of each call, once. Cheap to clone; clones share what they keep.
#[derive(Clone)]
pub struct Prompts {
    kept: Arc<Cache<(BusinessId, Channel, u32), Arc<Foundation>>>,
    telemetry: Telemetry,
}

impl Prompts {
    /// Keeps nothing yet.
    pub fn new(telemetry: Telemetry) -> Self {
        Self { kept: Arc::new(Cache::new(KEPT)), telemetry }
    }

    /// The prompt of a call. To be asked once for each call; a business without words for this direction is told.
    pub fn of_call(&self, business: &Business, channel: Channel, call: &CallContext) -> Prompt {
        let builder = PromptBuilder { business, channel };
        let key = (business.id.clone(), channel, business.version);
        let known = self.kept.get(&key);
        self.telemetry.record(Event::PromptBuilt { was_kept: known.is_some() });
        let foundation = known.unwrap_or_else(|| {
            let new = Arc::new(builder.foundation());
            self.kept.insert(key, Arc::clone(&new));
            new
        });
        if foundation.is_minimal() {
            self.telemetry.record(Event::PromptMissing { business: &business.id, channel: channel.as_str() });
        }
        builder.complete(&foundation, call)
    }

    /// Drops what no call of these businesses can ask for any more.
    pub fn keep_only(&self, businesses: &Directory) {
        let is_current =
            |id: &BusinessId, version: u32| businesses.get(id).is_some_and(|business| business.version == version);
        self.kept.retain(|(id, _, version), _| is_current(id, *version));
    }

    /// How many foundations are kept.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::business::Profile;
    use crate::engine::status::CallDirection;
    use proptest::prelude::*;

    const INBOUND: Channel = Channel::Call(CallDirection::Inbound);

    fn business(n: u32, version: u32) -> Business {
        let mut profile = Profile::named(format!("Business {n}"));
        profile.prompts.inbound = Some(format!("Words of {n} in version {version}."));
        Business { id: format!("b{n}").parse().unwrap(), version, profile }
    }

    fn figure(telemetry: &Telemetry, name: &str) -> u32 {
        let (page, name) = (telemetry.render(), format!("trunkline_{name} "));
        page.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    #[test]
    fn of_a_thousand_calls_to_twenty_businesses_nine_in_ten_find_their_prompt_kept() {
        let telemetry = Telemetry::silent();
        let prompts = Prompts::new(telemetry.clone());
        for call in 0..1_000_u32 {
            // Not one after the other: 7 and 20 have no common divisor.
            let business = business(call * 7 % 20, 1);
            let context =
                CallContext { notes: vec![("call".to_owned(), format!("number {call}"))], ..Default::default() };
            let prompt = prompts.of_call(&business, INBOUND, &context);
            assert_eq!(prompt, PromptBuilder { business: &business, channel: INBOUND }.build(&context));
        }
        let (hits, misses) =
            (figure(&telemetry, "prompt_cache_hits_total"), figure(&telemetry, "prompt_cache_misses_total"));
        assert_eq!(hits + misses, 1_000, "one prompt for each call");
        assert!(hits > 900, "{hits} hits");
        assert_eq!(prompts.kept(), 20);
    }

    #[test]
    fn an_edit_drops_what_was_kept_of_the_version_before() {
        let prompts = Prompts::new(Telemetry::silent());
        let of = |n, version| prompts.of_call(&business(n, version), INBOUND, &CallContext::default());
        assert!(of(1, 1).as_str().contains("version 1") && of(2, 1).as_str().contains("of 2"));
        assert!(of(1, 2).as_str().contains("version 2"), "the next call, before anybody has dropped anything");
        assert_eq!(prompts.kept(), 3);
        prompts.keep_only(&Directory::of([business(1, 2), business(2, 1)]));
        assert_eq!(prompts.kept(), 2);
        prompts.keep_only(&Directory::default());
        assert_eq!(prompts.kept(), 0);
    }

    #[test]
    fn a_business_without_words_is_told_once_and_counted_each_time() {
        let telemetry = Telemetry::for_tests();
        let prompts = Prompts::new(telemetry.clone());
        let outbound = Channel::Call(CallDirection::Outbound);
        for _ in 0..3 {
            let prompt = prompts.of_call(&business(1, 1), outbound, &CallContext::default());
            assert!(!prompt.as_str().contains("Words of 1"), "never the other direction's");
        }
        assert_eq!(figure(&telemetry, "prompts_missing_total{channel=\"outbound\"}"), 3);
        let told = telemetry.logged();
        assert_eq!(told, ["ERRO business has no prompt, calls get the minimal one business=b1 channel=outbound"]);
    }

    proptest! {
        #[test]
        fn kept_or_not_a_call_gets_what_the_builder_says(
            calls in proptest::collection::vec((0u32..4, 1u32..3, 0usize..3, "[a-z]{0,6}"), 1..40)
        ) {
            let prompts = Prompts::new(Telemetry::silent());
            for (n, version, channel, note) in calls {
                let (business, channel) = (business(n, version), Channel::ALL[channel]);
                let context = CallContext { notes: vec![("note".to_owned(), note)], ..Default::default() };
                let built = PromptBuilder { business: &business, channel }.build(&context);
                prop_assert_eq!(prompts.of_call(&business, channel, &context), built);
            }
        }
    }
}
