//! What is counted. Labels are closed lists, so the number of time series is bounded by the code.

mod asterisk;
mod family;
mod keeping;
mod label;
mod mailbox;
mod of_calls;
mod recordings;
mod thread;

use prometheus::{Histogram, IntCounter, IntGauge, Registry, TextEncoder};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::call::{AgentCounter, AgentLoss, CallStats, FrameDrop, HangupCause};
use crate::engine::quality::{Verdict, judge};
use crate::telemetry::{Event, Refusal};

use asterisk::Asterisk;
use family::{ByWord, CounterBy, Family, HistogramByWord, Register};
use keeping::Keeping;
pub(super) use label::Label;
use label::{AgentNames, Method, StatusCode, Word};
pub use mailbox::MailboxMeter;
use mailbox::Mailboxes;
use of_calls::OfCalls;
use recordings::Recordings;
pub use thread::ThreadMeter;

/// What [`render`](super::Telemetry::render) gives, as HTTP says it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric of the service.
pub(super) struct Metrics {
    registry: Registry,
    agents: AgentNames,
    mailboxes: Mailboxes,
    config_warnings: IntCounter,
    tick_lateness: Histogram,
    late_threads: IntGauge,
    tasks_alive: IntGauge,
    calls_live: IntGauge,
    calls_begun: IntCounter,
    calls_ended: CounterBy<HangupCause>,
    call_verdicts: CounterBy<Verdict>,
    calls_refused: CounterBy<Refusal>,
    call_duration: Histogram,
    webhooks: Family<(Word, StatusCode)>,
    webhook_duration: HistogramByWord,
    api_answered: Family<(Method, StatusCode)>,
    api_duration: HistogramByWord,
    api_failures: IntCounter,
    status_changes: ByWord,
    spooled: ByWord,
    spool_replayed: IntCounter,
    spool_failures: IntCounter,
    spool_rejected: IntCounter,
    status_not_stored: IntCounter,
    database_up: IntGauge,
    database_losses: IntCounter,
    media_faults: ByWord,
    caller_frames_dropped: CounterBy<FrameDrop>,
    agent_losses: Family<(String, AgentLoss)>,
    agent_events: Family<(String, AgentCounter)>,
    barge_ins: IntCounter,
    barge_in_reaction: Histogram,
    first_audio: HistogramByWord,
    panics: ByWord,
    call_file_failures: ByWord,
    carrier_failures: IntCounter,
    recordings: Recordings,
    calls_swept: ByWord,
    keeping: Keeping,
    recordings_asked: ByWord,
    own_recordings: ByWord,
    playbacks_broken: IntCounter,
    capacity: Capacity,
    campaigns_live: IntGauge,
    campaign_takeovers: IntCounter,
    campaigns_left: ByWord,
    leads_dialled: IntCounter,
    leads_settled: ByWord,
    prompt_cache_hits: IntCounter,
    prompt_cache_misses: IntCounter,
    prompts_missing: ByWord,
    businesses: IntGauge,
    businesses_not_read: IntCounter,
    hooks_delivered: ByWord,
    hook_duration: Histogram,
    hooks_failed: ByWord,
    hooks_given_up: IntCounter,
    hooks_waiting: IntGauge,
    hooks_not_read: IntCounter,
    asterisk: Asterisk,
    of_calls: OfCalls,
    pub(super) log_lines_dropped: IntCounter,
    pub(super) log_lines_held_back: IntCounter,
}

/// How many calls are alive and may be.
struct Capacity {
    used: IntGauge,
    kept: IntGauge,
    leased: IntGauge,
    max: IntGauge,
    businesses_full: IntGauge,
}

const CALL_SECONDS: &[f64] = &[5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 3_600.0];
/// 0.35 s is what a webhook may take.
const WEBHOOK_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 1.0, 2.5, 5.0, 15.0];
/// 0.06 s is what a barge-in may take.
const BARGE_IN_SECONDS: &[f64] = &[0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0];
const FIRST_AUDIO_SECONDS: &[f64] = &[0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0];

impl Metrics {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let r = Register(&registry);
        r.info("build_info", "Always 1; the label says which version runs.", "version", env!("CARGO_PKG_VERSION"));
        let database_up = r.gauge("database_up", "Whether the database answered when it was last asked: 1 or 0.");
        database_up.set(1);
        r.process();
        Self {
            agents: AgentNames::default(),
            mailboxes: Mailboxes::new(&r),
            config_warnings: r
                .counter("config_warnings_total", "Findings of the configuration that work all the same."),
            tick_lateness: r.histogram(
                "tick_lateness_seconds",
                "How late the ticks came on which sound is sent, and the beats of their threads.",
                thread::LATENESS_SECONDS,
            ),
            late_threads: r
                .gauge("late_threads", "Threads whose ticks are too late for more calls; new ones are refused."),
            tasks_alive: r.gauge(
                "tasks_alive",
                "Tasks on the threads that carry calls, as tokio counts them: sessions with voice agents among them.",
            ),
            calls_live: r.gauge("calls_live", "Calls that have begun and not ended."),
            calls_begun: r.counter("calls_begun_total", "Calls answered."),
            calls_ended: r.counter_by("calls_ended_total", "Calls over, by who ended them and why."),
            call_verdicts: r.counter_by("call_verdicts_total", "Calls over, by how good they were."),
            calls_refused: r.counter_by("calls_refused_total", "Calls not taken, by why."),
            call_duration: r.histogram("call_duration_seconds", "From the answer to the end.", CALL_SECONDS),
            webhooks: r.family("webhooks_answered_total", "Webhooks answered, by path and HTTP status."),
            webhook_duration: r.histogram_by_word(
                "webhook_duration_seconds",
                "endpoint",
                "From the first byte of a webhook to its answer.",
                WEBHOOK_SECONDS,
            ),
            api_answered: r
                .family("api_answered_total", "Requests to the interface answered, by method and HTTP status."),
            api_duration: r.histogram_by_word(
                "api_duration_seconds",
                "method",
                "From the head of a request to the interface to its answer.",
                WEBHOOK_SECONDS,
            ),
            api_failures: r.counter("api_failures_total", "Requests to the interface that met a fault of ours."),
            status_changes: r.by_word(
                "status_changes_total",
                "result",
                "Status changes stored, by whether they changed the row.",
            ),
            spooled: r.by_word("spooled_total", "kind", "Records that wait for the database, by kind."),
            spool_replayed: r.counter("spool_replayed_total", "Records that came from the spool into the database."),
            spool_failures: r.counter("spool_failures_total", "Records that the spool could not take."),
            spool_rejected: r.counter("spool_rejected_total", "Records that the database will never take."),
            status_not_stored: r
                .counter("status_not_stored_total", "Status changes that neither the database nor the spool took."),
            database_losses: r.counter("database_losses_total", "Times that the database did not answer."),
            media_faults: r.by_word(
                "media_faults_total",
                "kind",
                "Messages on media sockets that made no sense, by what was wrong.",
            ),
            caller_frames_dropped: r.counter_by(
                "caller_frames_dropped_total",
                "Frames of 20 ms of callers that did not reach the agent, by why.",
            ),
            agent_losses: r.family("agent_losses_total", "Voice agents lost during a call, by how."),
            agent_events: r.family("agent_events_total", "What voice agents count, by what."),
            barge_ins: r.counter("barge_ins_total", "Times that a caller interrupted the agent."),
            barge_in_reaction: r.histogram(
                "barge_in_reaction_seconds",
                "From the detector's report to clear on the wire.",
                BARGE_IN_SECONDS,
            ),
            first_audio: r.histogram_by_word(
                "first_audio_seconds",
                "of",
                "From the moment a greeting or an answer was due to its first audio.",
                FIRST_AUDIO_SECONDS,
            ),
            panics: r.by_word("panics_caught_total", "actor", "Panics caught, by kind of actor."),
            call_file_failures: r.by_word(
                "call_file_failures_total",
                "kind",
                "Files of calls that could not be written, by kind.",
            ),
            carrier_failures: r.counter("carrier_failures_total", "Requests that the carrier did not fulfil."),
            keeping: Keeping::new(&r),
            calls_swept: r.by_word(
                "calls_swept_total",
                "result",
                "Calls that stayed open for too long, by what the carrier said of them.",
            ),
            recordings: Recordings::new(&r),
            recordings_asked: r.by_word(
                "carrier_recordings_total",
                "result",
                "Calls that the carrier was asked to record, by what came of it.",
            ),
            own_recordings: r.by_word(
                "own_recordings_total",
                "result",
                "Recordings that were made here, by what became of them: kept, empty, or delayed and tried again.",
            ),
            playbacks_broken: r.counter(
                "recording_playbacks_broken_total",
                "Recordings that stopped in the middle, for the store gave no more.",
            ),
            capacity: Capacity::new(&r),
            campaigns_live: r.gauge("campaigns_live", "Campaigns that this node runs."),
            campaign_takeovers: r.counter(
                "campaign_takeovers_total",
                "Times that this node went on with a campaign that had been run before.",
            ),
            campaigns_left: r.by_word("campaigns_left_total", "why", "Campaigns that this node runs no more, by why."),
            leads_dialled: r.counter("leads_dialled_total", "Leads of campaigns that the carrier was asked to call."),
            leads_settled: r.by_word("leads_settled_total", "outcome", "Leads of campaigns, by how their call ended."),
            prompt_cache_hits: r.counter(
                "prompt_cache_hits_total",
                "Prompts of calls whose common part was kept from an earlier call.",
            ),
            prompt_cache_misses: r
                .counter("prompt_cache_misses_total", "Prompts of calls whose common part had to be made."),
            prompts_missing: r.by_word(
                "prompts_missing_total",
                "channel",
                "Calls whose business has no prompt for them, so that the minimal one was used.",
            ),
            businesses: r.gauge("businesses", "Businesses that calls are served for."),
            businesses_not_read: r
                .counter("businesses_not_read_total", "Times that the database's businesses could not be read."),
            hooks_delivered: r.by_word(
                "outgoing_webhooks_delivered_total",
                "kind",
                "Outgoing webhooks that their receivers took, by what they tell.",
            ),
            hook_duration: r.histogram(
                "outgoing_webhook_duration_seconds",
                "From the first byte of an outgoing webhook to the receiver's 2xx.",
                WEBHOOK_SECONDS,
            ),
            hooks_failed: r.by_word(
                "outgoing_webhook_failures_total",
                "why",
                "Tries of outgoing webhooks that failed, by why.",
            ),
            hooks_given_up: r.counter(
                "outgoing_webhooks_given_up_total",
                "Outgoing webhooks that nobody took and that are tried no more.",
            ),
            hooks_waiting: r
                .gauge("outgoing_webhooks_waiting", "Outgoing webhooks that wait to be sent, on all nodes."),
            hooks_not_read: r.counter(
                "outgoing_webhooks_not_read_total",
                "Times that the table of outgoing webhooks could not be used, though the database answered.",
            ),
            asterisk: Asterisk::new(&r),
            of_calls: OfCalls::new(&r),
            log_lines_dropped: r.counter("log_lines_dropped_total", "Log lines for which there was no room."),
            log_lines_held_back: r
                .counter("log_lines_held_back_total", "Log lines not written because the same was just said."),
            database_up,
            registry,
        }
    }

    /// Counts an event.
    pub(super) fn count(&self, event: &Event<'_>) {
        match *event {
            Event::ServiceStarted { .. } | Event::ServiceStopping | Event::NotAllSaved { .. } => {}
            Event::ConfigWarning { .. } | Event::BusinessAgentMissing { .. } => self.config_warnings.inc(),
            Event::CallBegan { .. } => {
                self.calls_begun.inc();
                self.calls_live.inc();
            }
            Event::CallEnded { cause, stats, .. } => self.count_call(cause, stats),
            Event::ThreadLate => self.late_threads.inc(),
            Event::ThreadInTime => self.late_threads.dec(),
            Event::CallRefused { why } => self.calls_refused.of(why).inc(),
            Event::WebhookAnswered { endpoint, status, took } => {
                self.webhooks.of(&(Word(endpoint), StatusCode(status))).inc();
                self.webhook_duration.of(endpoint).observe(took.as_secs_f64());
            }
            Event::ApiAnswered { method, status, took } => {
                self.api_answered.of(&(Method(method), StatusCode(status))).inc();
                self.api_duration.of(method).observe(took.as_secs_f64());
            }
            Event::ApiFailed { .. } => self.api_failures.inc(),
            Event::StatusStored { changed } => {
                self.status_changes.of(if changed { "changed" } else { "known" }).inc();
            }
            Event::Spooled { kind } => self.spooled.of(kind).inc(),
            Event::SpoolReplayed { records } => self.spool_replayed.inc_by(records),
            Event::SpoolFailed { .. } => self.spool_failures.inc(),
            Event::SpoolRejected { .. } => self.spool_rejected.inc(),
            Event::StatusNotStored { .. } => self.status_not_stored.inc(),
            Event::ServiceFailed { .. } => {}
            Event::DatabaseLost { .. } => {
                self.database_losses.inc();
                self.database_up.set(0);
            }
            Event::DatabaseBack => self.database_up.set(1),
            Event::MediaFault { kind } => self.media_faults.of(kind).inc(),
            Event::FrameDropped { why } => self.caller_frames_dropped.of(why).inc(),
            Event::AgentLost { agent, loss, .. } => self.agent_losses.of(&(self.agents.bounded(agent), loss)).inc(),
            Event::AgentCounted { agent, counter } => {
                self.agent_events.of(&(self.agents.bounded(agent), counter)).inc();
            }
            Event::BargeIn { reaction } => {
                self.barge_ins.inc();
                self.barge_in_reaction.observe(reaction.as_secs_f64());
            }
            Event::FirstAudio { of, after } => self.first_audio.of(of).observe(after.as_secs_f64()),
            Event::PanicCaught { actor, .. } => self.panics.of(actor).inc(),
            Event::CallFileFailed { kind, .. } => self.call_file_failures.of(kind).inc(),
            Event::WebhookDelivered { kind, took } => {
                self.hooks_delivered.of(kind).inc();
                self.hook_duration.observe(took.as_secs_f64());
            }
            Event::WebhookFailed { why } => self.hooks_failed.of(why).inc(),
            Event::WebhookGivenUp { .. } => self.hooks_given_up.inc(),
            Event::WebhooksWaiting { count } => self.hooks_waiting.set(count),
            Event::WebhooksNotRead { .. } => self.hooks_not_read.inc(),
            Event::AriConnected => self.asterisk.connected.set(1),
            Event::AriLost { .. } => self.asterisk.lost(),
            Event::AriFailed { .. } => self.asterisk.failures.inc(),
            Event::CarrierFailed { .. } | Event::CallNotPlaced { .. } => self.carrier_failures.inc(),
            Event::Capacity { used, kept, leased, max, businesses_full } => {
                let Capacity { used: u, kept: k, leased: l, max: m, businesses_full: b } = &self.capacity;
                for (gauge, figure) in [(u, used), (k, kept), (l, leased), (m, max), (b, businesses_full)] {
                    gauge.set(figure.into());
                }
            }
            Event::CampaignTaken { is_taken_over, .. } => {
                self.campaigns_live.inc();
                self.campaign_takeovers.inc_by(is_taken_over.into());
            }
            Event::CampaignLeft { why, .. } => {
                self.campaigns_live.dec();
                self.campaigns_left.of(why).inc();
            }
            Event::LeadDialled => self.leads_dialled.inc(),
            Event::LeadSettled { outcome } => self.leads_settled.of(outcome).inc(),
            Event::RecordingDeleted { .. }
            | Event::RecordingNotDeleted { .. }
            | Event::RecordingsKept { .. }
            | Event::PartialFilesSwept { .. }
            | Event::PartialFilesNotSwept { .. } => self.keeping.count(event),
            Event::Recordings(ref event) => self.recordings.count(event),
            Event::PlaybackBroken { .. } => self.playbacks_broken.inc(),
            Event::OwnRecording { result, .. } => self.own_recordings.of(result).inc(),
            Event::RecordingAsked { result, .. } => self.recordings_asked.of(result).inc(),
            Event::CallSwept { result } => self.calls_swept.of(result).inc(),
            Event::PromptBuilt { was_kept: true } => self.prompt_cache_hits.inc(),
            Event::PromptBuilt { was_kept: false } => self.prompt_cache_misses.inc(),
            Event::PromptMissing { channel, .. } => self.prompts_missing.of(channel).inc(),
            Event::BusinessesRead { count } => self.businesses.set(count as i64),
            Event::BusinessesNotRead { .. } => self.businesses_not_read.inc(),
        }
    }

    fn count_call(&self, cause: HangupCause, stats: &CallStats) {
        self.calls_live.dec();
        self.calls_ended.of(cause).inc();
        self.call_verdicts.of(judge(stats, cause).verdict).inc();
        self.call_duration.observe(stats.length.as_secs_f64());
        self.of_calls.add(stats);
    }

    pub(super) fn mailbox(&self, kind: &'static str) -> Arc<MailboxMeter> {
        self.mailboxes.meter(kind)
    }

    pub(super) fn thread_meter(&self) -> ThreadMeter {
        ThreadMeter::new(&self.tick_lateness, &self.tasks_alive)
    }

    pub(super) fn render(&self) -> String {
        // The encoder refuses only names and labels that `Register` would have refused before.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Capacity {
    fn new(r: &Register<'_>) -> Self {
        Self {
            used: r.gauge(
                "capacity_slots_used",
                "Slots in use on this node, those kept for calls about to start included.",
            ),
            kept: r.gauge("capacity_slots_kept", "… of which so many are kept for calls about to start."),
            leased: r
                .gauge("capacity_slots_leased", "Calls that this node may carry without asking; 0 without a limit."),
            max: r.gauge("capacity_slots_max", "Calls that may be alive at once over all nodes; 0: no limit."),
            businesses_full: r.gauge("capacity_businesses_full", "Businesses that can have no further call now."),
        }
    }
}

/// Seconds as Prometheus wants them.
fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
