//! Figures of recordings and of the words of calls.

use prometheus::{IntCounter, IntGaugeVec};

use super::family::{ByWord, HistogramByWord, Register};
use crate::telemetry::RecordingsEvent;

/// A second is usual, half an hour the most.
const STEP_SECONDS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0];

pub(super) struct Recordings {
    triggers: ByWord,
    begun: ByWord,
    taken_over: ByWord,
    done: HistogramByWord,
    failed: ByWord,
    given_up: ByWord,
    refused: ByWord,
    leases_lost: IntCounter,
    too_late: IntCounter,
    settled: ByWord,
    waiting: IntGaugeVec,
    not_read: IntCounter,
}

impl Recordings {
    pub fn new(r: &Register<'_>) -> Self {
        Self {
            triggers: r.by_word(
                "recording_triggers_total",
                "result",
                "Times that somebody told of a recording or wanted one, by whether that made work.",
            ),
            begun: r.by_word("recording_steps_begun_total", "step", "Steps of recordings' work begun."),
            taken_over: r.by_word(
                "recording_steps_taken_over_total",
                "step",
                "… of which somebody had begun so many before, and gave no answer.",
            ),
            done: r.histogram_by_word(
                "recording_step_seconds",
                "step",
                "How long steps took that ended well.",
                STEP_SECONDS,
            ),
            failed: r.by_word("recording_step_failures_total", "step", "Steps that failed, tried again or not."),
            given_up: r.by_word("recording_steps_given_up_total", "step", "Steps that are tried no more."),
            refused: r.by_word(
                "recording_refusals_total",
                "step",
                "Times that a carrier, a store or a recogniser didn't let us.",
            ),
            leases_lost: r.counter(
                "recording_leases_lost_total",
                "Steps that were stopped because the lease on them could not be kept.",
            ),
            too_late: r.counter(
                "recording_answers_too_late_total",
                "Steps that came to something after another node had taken them; that was not taken.",
            ),
            settled: r.by_word(
                "transcripts_settled_total",
                "source",
                "Calls whose words are settled, by their source.",
            ),
            waiting: r.gauges(
                "recording_work_waiting",
                "Calls that stand before a step of their recordings' work, on all nodes.",
                &["step"],
            ),
            not_read: r.counter(
                "recording_work_not_read_total",
                "Times that the table of recordings' work could not be used, though the database answered.",
            ),
        }
    }

    pub fn count(&self, event: &RecordingsEvent<'_>) {
        match *event {
            RecordingsEvent::Triggered { result } => self.triggers.of(result).inc(),
            RecordingsEvent::Begun { step, is_taken_over } => {
                self.begun.of(step).inc();
                self.taken_over.of(step).inc_by(is_taken_over.into());
            }
            RecordingsEvent::Done { step, took } => self.done.of(step).observe(took.as_secs_f64()),
            RecordingsEvent::Failed { step } => self.failed.of(step).inc(),
            RecordingsEvent::GivenUp { step, .. } => self.given_up.of(step).inc(),
            RecordingsEvent::Refused { step, .. } => self.refused.of(step).inc(),
            RecordingsEvent::LeaseLost => self.leases_lost.inc(),
            RecordingsEvent::AnsweredTooLate => self.too_late.inc(),
            RecordingsEvent::Settled { source } => self.settled.of(source).inc(),
            RecordingsEvent::Waiting { step, count } => {
                self.waiting.with_label_values(&[step]).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            RecordingsEvent::NotRead { .. } => self.not_read.inc(),
        }
    }
}
