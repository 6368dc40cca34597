//! The responses of one session: which one is in flight, and what each of them brought.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::ids::ResponseId;

use super::client_event::ClientEvent;
use super::lifecycle::Confirmed;
use super::settings::AudioFormat;

/// How many responses are remembered: playout of one may be cut while the next ones are already generated.
const REMEMBERED: usize = 16;

/// A response that we asked for and that the vendor has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) response: ResponseId,
    /// When it was asked for.
    pub(super) since: Duration,
    /// Whether it is to be cancelled as soon as it begins.
    pub(super) cancel: bool,
}

/// The response that the vendor generates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) vendor_id: String,
    /// Ours or the vendor's own; `None` for one that nobody may have begun.
    pub(super) response: Option<ResponseId>,
    /// When it last brought something.
    pub(super) last: Duration,
    /// When its cancel went out.
    pub(super) cancelled: Option<Duration>,
}

impl Running {
    /// The one cancel of this response; `None` if it went out before.
    pub(super) fn cancel(&mut self, proof: Confirmed, now: Duration) -> Option<ClientEvent> {
        if self.cancelled.is_some() {
            return None;
        }
        self.cancelled = Some(now);
        Some(ClientEvent::cancel(proof, &self.vendor_id))
    }
}

/// What one response brought.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Response {
    pub(super) response: ResponseId,
    vendor_id: String,
    format: AudioFormat,
    items: Vec<Item>,
    /// How it ended, once it has.
    pub(super) is_over: bool,
    /// How much was heard, where that is known before its end.
    pub(super) heard: Option<Duration>,
    was_cut: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    id: String,
    content_index: u32,
    bytes: u64,
}

impl Response {
    /// How much audio it brought.
    pub(super) fn length(&self) -> Duration {
        self.items.iter().map(|item| self.length_of(item)).sum()
    }

    fn length_of(&self, item: &Item) -> Duration {
        Duration::from_micros(item.bytes * 1_000 / self.format.bytes_per_ms())
    }

    fn item(&mut self, id: &str) -> &mut Item {
        let at = self.items.iter().position(|item| item.id == id).unwrap_or_else(|| {
            self.items.push(Item { id: id.to_owned(), content_index: 0, bytes: 0 });
            self.items.len() - 1
        });
        &mut self.items[at]
    }

    /// What makes the vendor forget everything after `heard`: items that were heard stay, the one in which the
    /// caller interrupted is truncated, the rest is deleted. Once per response.
    pub(super) fn cut(&mut self, proof: Confirmed, heard: Duration) -> Vec<ClientEvent> {
        if self.was_cut {
            return Vec::new();
        }
        self.was_cut = true;
        let mut begins = Duration::ZERO;
        let mut events = Vec::new();
        for item in &self.items {
            let ends = begins + self.length_of(item);
            // The vendor counts whole milliseconds: less than one is nothing.
            let of_item = heard.saturating_sub(begins);
            if of_item < Duration::from_millis(1) {
                events.push(ClientEvent::delete(proof, &item.id));
            } else if heard < ends {
                events.push(ClientEvent::truncate(proof, &item.id, item.content_index, of_item));
            }
            begins = ends;
        }
        events
    }
}

/// The responses of one session.
#[derive(Debug, Default)]
pub(super) struct Responses {
    pub(super) asked: Option<Asked>,
    pub(super) running: Option<Running>,
    remembered: VecDeque<Response>,
}

impl Responses {
    /// Whether the vendor is busy with a response, or about to be.
    pub(super) fn in_flight(&self) -> bool {
        self.asked.is_some() || self.running.is_some()
    }

    /// Whether this response is what the vendor is busy with.
    pub(super) fn is_running(&self, response: ResponseId) -> bool {
        self.running.as_ref().is_some_and(|running| running.response == Some(response))
    }

    pub(super) fn remember(&mut self, response: ResponseId, vendor_id: &str, format: AudioFormat) {
        if self.remembered.len() == REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Response {
            response,
            vendor_id: vendor_id.to_owned(),
            format,
            items: Vec::new(),
            is_over: false,
            heard: None,
            was_cut: false,
        });
    }

    /// The response that the vendor calls so.
    pub(super) fn named(&mut self, vendor_id: &str) -> Option<&mut Response> {
        self.remembered.iter_mut().rev().find(|response| response.vendor_id == vendor_id)
    }

    /// Whether the vendor has told of this response before.
    pub(super) fn has_begun(&self, vendor_id: &str) -> bool {
        self.running.as_ref().is_some_and(|running| running.vendor_id == vendor_id)
            || self.remembered.iter().any(|response| response.vendor_id == vendor_id)
    }

    /// The response that the call calls so.
    pub(super) fn numbered(&mut self, response: ResponseId) -> Option<&mut Response> {
        self.remembered.iter_mut().rev().find(|known| known.response == response)
    }

    /// Whether the call has used this number before.
    pub(super) fn knows(&self, response: ResponseId) -> bool {
        self.asked.is_some_and(|asked| asked.response == response)
            || self.remembered.iter().any(|known| known.response == response)
    }

    /// The vendor's message of this response came.
    pub(super) fn progress(&mut self, vendor_id: &str, now: Duration) {
        if let Some(running) = self.running.as_mut().filter(|running| running.vendor_id == vendor_id) {
            running.last = now;
        }
    }

    /// Another item, which will hold audio.
    pub(super) fn add_item(&mut self, vendor_id: &str, item_id: &str) {
        if let Some(response) = self.named(vendor_id) {
            response.item(item_id);
        }
    }

    /// `bytes` of audio came; whose.
    pub(super) fn add_audio(
        &mut self,
        vendor_id: &str,
        item_id: &str,
        content_index: u32,
        bytes: u64,
    ) -> Option<ResponseId> {
        let response = self.named(vendor_id).filter(|response| !response.is_over)?;
        let item = response.item(item_id);
        item.content_index = content_index;
        item.bytes += bytes;
        Some(response.response)
    }

    /// The audio of the responses that are not over is in this format, whatever was agreed.
    pub(super) fn really_are(&mut self, format: AudioFormat) {
        for response in self.remembered.iter_mut().filter(|response| !response.is_over) {
            response.format = format;
        }
    }

    /// Those that began and have not ended.
    pub(super) fn unfinished(&mut self) -> Vec<ResponseId> {
        let unfinished: Vec<_> = self.remembered.iter_mut().filter(|response| !response.is_over).collect();
        unfinished
            .into_iter()
            .map(|response| {
                response.is_over = true;
                response.response
            })
            .collect()
    }
}
