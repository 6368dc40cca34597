//! Which events make a line.

use std::time::Duration;

use slog::{KV, Record, Serializer, error, info, warn};

use super::redact;
use crate::engine::call::{AgentCounter, AgentLoss, CallStats, HangupCause};
use crate::engine::ids::CallSid;
use crate::engine::quality::judge;
use crate::telemetry::metrics::Label;
use crate::telemetry::{Event, Inner, RecordingsEvent, Refusal};

impl Inner {
    /// Says an event, if it is one that is said.
    pub(in crate::telemetry) fn say(&self, event: &Event<'_>) {
        match *event {
            Event::ServiceStarted { listen, agent, database } => {
                info!(self.log, "listening"; "listen" => listen, "agent" => agent, "database" => database);
            }
            Event::ServiceStopping => info!(self.log, "stopping"),
            Event::NotAllSaved { what } => {
                error!(self.log, "stopped before everything that calls said was on the disk"; "what" => what);
            }
            Event::ConfigWarning { finding } => warn!(self.log, "configuration"; "finding" => redact(finding)),
            Event::BusinessAgentMissing { business, agent, instead } => {
                warn!(self.log, "business has chosen an agent that can't be had: give its key";
                    "business" => %business, "agent" => agent, "calls_go_to" => instead);
            }
            Event::CallBegan { call, business, agent } => {
                info!(self.log, "call began"; "call_sid" => %call, "business" => %business, "agent" => agent);
            }
            Event::CallEnded { call, cause, stats } => self.say_call_ended(call, cause, stats),
            Event::DatabaseLost { error } if self.loses_database() => {
                error!(self.log, "database lost: calls go on, writes wait in the spool"; "error" => redact(error));
            }
            Event::DatabaseBack if self.regains_database() => info!(self.log, "database back"),
            Event::SpoolReplayed { records } => {
                info!(self.log, "spool replayed into the database"; "records" => records);
            }
            Event::CampaignTaken { campaign, is_taken_over } => {
                info!(self.log, "campaign runs here"; "campaign" => %campaign, "taken_over" => is_taken_over);
            }
            Event::CampaignLeft { campaign, why } => {
                info!(self.log, "campaign runs here no more"; "campaign" => %campaign, "why" => why);
            }
            ref other => self.say_fault(other),
        }
    }

    /// What may happen many times over is said now and then.
    fn say_fault(&self, event: &Event<'_>) {
        let (fault, kind) = match fault(event) {
            Some(key) => key,
            None => return,
        };
        let Some(held_back) = self.is_due(fault, kind) else { return };
        let held_back = HeldBack(held_back);
        match *event {
            Event::AgentLost { call, agent, loss, detail } => {
                let detail = redact(detail);
                match loss {
                    AgentLoss::Refused => error!(self.log, "agent lost"; "call_sid" => %call, "agent" => agent,
                        "loss" => kind, "detail" => detail, held_back),
                    _ => warn!(self.log, "agent lost"; "call_sid" => %call, "agent" => agent,
                        "loss" => kind, "detail" => detail, held_back),
                }
            }
            Event::PanicCaught { actor, message } => error!(self.log, "panic caught"; "actor" => actor,
                "message" => redact(message), held_back),
            Event::SpoolFailed { error } => error!(self.log, "spool can't be written: records are lost";
                "error" => redact(error), held_back),
            Event::StatusNotStored { error } => error!(self.log, "status change not stored";
                "error" => redact(error), held_back),
            Event::ServiceFailed { error } => error!(self.log, "service failed"; "error" => redact(error), held_back),
            Event::SpoolRejected { error } => warn!(self.log, "record set aside in spool/rejected";
                "error" => redact(error), held_back),
            Event::CallFileFailed { call, kind, error } => warn!(self.log, "file of a call can't be written";
                "call_sid" => %call, "kind" => kind, "error" => redact(error), held_back),
            Event::RecordingNotDeleted { call, place, error } => warn!(self.log,
                "recording whose time is over can't be deleted";
                "call_sid" => %call, "place" => place, "error" => redact(error), held_back),
            Event::PartialFilesNotSwept { error } => warn!(self.log,
                "what a crash left of recordings can't be deleted"; "error" => redact(error), held_back),
            Event::PlaybackBroken { call, error } => warn!(self.log, "recording can't be played to its end";
                "call_sid" => %call, "error" => redact(error), held_back),
            Event::OwnRecording { call, error, .. } => warn!(self.log, "recording waits on this node's disk";
                "call_sid" => %call, "error" => redact(error), held_back),
            Event::RecordingAsked { call, error, .. } => warn!(self.log, "carrier records nothing of a call";
                "call_sid" => %call, "error" => redact(error), held_back),
            Event::AriConnected => info!(self.log, "asterisk connected"),
            Event::AriLost { error } => warn!(self.log, "asterisk lost: no calls come by ARI";
                "error" => redact(error), held_back),
            Event::AriFailed { error } => warn!(self.log, "asterisk did not do what it was asked";
                "error" => redact(error), held_back),
            Event::CarrierFailed { call, error } => warn!(self.log, "carrier did not do what it was asked";
                "call_sid" => %call, "error" => redact(error), held_back),
            Event::PromptMissing { business, channel } => error!(self.log,
                "business has no prompt, calls get the minimal one";
                "business" => %business, "channel" => channel, held_back),
            Event::BusinessesNotRead { error } => {
                error!(self.log, "businesses can't be read, calls are served as before";
                "error" => redact(error), held_back)
            }
            Event::WebhookGivenUp { business, event, error } => warn!(self.log, "outgoing webhook given up";
                "business" => %business, "event" => event, "error" => redact(error), held_back),
            Event::WebhooksNotRead { error } => error!(self.log, "outgoing webhooks can't be read";
                "error" => redact(error), held_back),
            Event::ApiFailed { request_id, error } => error!(self.log, "request to the interface met a fault";
                "request_id" => request_id, "error" => redact(error), held_back),
            Event::Recordings(RecordingsEvent::GivenUp { call, step, error }) => warn!(self.log,
                "step of a call's recording given up"; "call_sid" => %call, "step" => step, "error" => redact(error),
                held_back),
            Event::Recordings(RecordingsEvent::Refused { step, error }) => error!(self.log, "recordings: refused";
                "step" => step, "error" => redact(error), held_back),
            Event::Recordings(RecordingsEvent::NotRead { error }) => error!(self.log,
                "work on recordings can't be read"; "error" => redact(error), held_back),
            Event::CallNotPlaced { error } => warn!(self.log, "carrier did not place a call";
                "error" => redact(error), held_back),
            Event::WebhookAnswered { endpoint, status, .. } => warn!(self.log, "webhook answered with an error";
                "endpoint" => endpoint, "status" => status, held_back),
            _ => warn!(self.log, "{}", fault; "kind" => kind, held_back),
        }
    }

    fn say_call_ended(&self, call: &CallSid, cause: HangupCause, stats: &CallStats) {
        let millis = |time: Duration| time.as_millis() as u64;
        let quality = judge(stats, cause);
        info!(self.log, "call ended"; "call_sid" => %call, "cause" => %cause,
            "seconds" => stats.length.as_secs(),
            "turns" => stats.turns,
            "first_audio_ms" => stats.first_audio.map(millis),
            "responses" => stats.responses,
            "response_mean_ms" => stats.response_total.checked_div(stats.responses).map(millis),
            "barge_ins" => stats.barge_ins,
            "barge_in_slowest_ms" => stats.barge_in_slowest.map(millis),
            "caller_frames" => stats.caller_frames,
            "forwarded_frames" => stats.forwarded_frames,
            "dropped_frames" => stats.dropped_frames,
            "agent_frames" => stats.agent_frames,
            "underflow_events" => stats.underflow_events,
            "underflow_frames" => stats.underflow_frames,
            "vad_frames" => stats.vad_frames,
            "vad_speech_frames" => stats.vad_speech_frames,
            "media_faults" => stats.media_faults,
            "ignored_inputs" => stats.ignored_inputs,
            "agent_losses" => stats.agent_losses,
            "verdict" => quality.verdict.word(),
            "score" => quality.score);
    }
}

/// The fault that an event is, and of which sort; `None` for what is counted only.
fn fault(event: &Event<'_>) -> Option<(&'static str, &'static str)> {
    match *event {
        // The stop itself was said.
        Event::CallRefused { why: Refusal::Draining } => None,
        Event::CallRefused { why } => Some(("call refused", why.word())),
        Event::WebhookAnswered { endpoint, status, .. } if status >= 500 => Some(("webhook", endpoint)),
        Event::SpoolFailed { .. } => Some(("spool failed", "")),
        Event::SpoolRejected { .. } => Some(("spool rejected", "")),
        Event::StatusNotStored { .. } => Some(("status not stored", "")),
        Event::ApiFailed { .. } => Some(("api failed", "")),
        Event::ServiceFailed { .. } => Some(("service failed", "")),
        Event::AgentLost { loss, .. } => Some(("agent lost", loss.word())),
        Event::AgentCounted { counter: AgentCounter::FormatFallback, .. } => {
            Some(("agent does not speak the format that it confirmed", AgentCounter::FormatFallback.word()))
        }
        Event::PanicCaught { actor, .. } => Some(("panic", actor)),
        Event::CallFileFailed { kind, .. } => Some(("call file", kind)),
        Event::PlaybackBroken { .. } => Some(("playback", "")),
        Event::OwnRecording { result: "delayed", .. } => Some(("own recording", "")),
        Event::RecordingAsked { result: "failed", .. } => Some(("recording not started", "")),
        Event::AriLost { .. } => Some(("asterisk lost", "")),
        Event::AriFailed { .. } => Some(("asterisk", "")),
        Event::CarrierFailed { .. } => Some(("carrier", "")),
        Event::RecordingNotDeleted { place, .. } => Some(("recording not deleted", place)),
        Event::PartialFilesNotSwept { .. } => Some(("partial files not swept", "")),
        Event::CallNotPlaced { .. } => Some(("call not placed", "")),
        Event::PromptMissing { channel, .. } => Some(("prompt missing", channel)),
        Event::WebhookGivenUp { .. } => Some(("webhook given up", "")),
        Event::WebhooksNotRead { .. } => Some(("webhooks not read", "")),
        Event::BusinessesNotRead { .. } => Some(("businesses not read", "")),
        Event::Recordings(RecordingsEvent::GivenUp { step, .. }) => Some(("recording given up", step)),
        Event::Recordings(RecordingsEvent::Refused { step, .. }) => Some(("recordings refused", step)),
        Event::Recordings(RecordingsEvent::NotRead { .. }) => Some(("recordings not read", "")),
        _ => None,
    }
}

/// How many lines of the same fault were held back, said only where there were some.
struct HeldBack(u64);

impl KV for HeldBack {
    fn serialize(&self, _: &Record<'_>, to: &mut dyn Serializer) -> slog::Result {
        if self.0 > 0 { to.emit_u64("held_back", self.0) } else { Ok(()) }
    }
}
