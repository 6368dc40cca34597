//! The range of each number.

use crate::config::Config;

/// Each number with the least and the most it may be, as `config/default.toml` says.
pub(in crate::config) fn ranges(config: &Config) -> Vec<(&'static str, f64, f64, f64)> {
    let Config {
        http,
        api,
        console,
        database,
        openai,
        deepgram,
        vad,
        endpoint,
        playout,
        barge_in,
        silence,
        limits,
        calls,
        campaigns,
        media,
        asterisk,
        webhooks,
        recordings,
        recording,
        transcription,
        summary,
        ..
    } = config;
    let mut ranges: Vec<(&'static str, f64, f64, f64)> = vec![("http.workers", http.workers as f64, 0.0, 256.0)];
    let mut range = |path, value: f64, least: u32, most: u32| ranges.push((path, value, least.into(), most.into()));

    range("http.max_connections", http.max_connections as f64, 1, 100_000);
    range("http.request_timeout_ms", http.request_timeout_ms.into(), 1_000, 60_000);
    range("http.max_body_bytes", http.max_body_bytes as f64, 1_024, 1_048_576);
    range("http.drain_ms", http.drain_ms.into(), 0, 3_600_000);
    range("api.requests_per_minute", api.requests_per_minute.get().into(), 1, 1_000_000);
    range("api.strangers_per_minute", api.strangers_per_minute.get().into(), 1, 1_000_000);
    range("api.max_body_bytes", api.max_body_bytes as f64, 1_024, 67_108_864);
    range("api.read_timeout_ms", api.read_timeout_ms.into(), 100, 60_000);
    range("api.token_refresh_ms", api.token_refresh_ms.into(), 100, 600_000);
    range("console.idle_s", console.idle_s.into(), 60, 86_400);
    range("console.longest_s", console.longest_s.into(), 60, 2_592_000);
    range("console.max_sessions", console.max_sessions.into(), 1, 100_000);
    range("database.pool", database.pool.into(), 1, 100);
    range("database.connect_timeout_ms", database.connect_timeout_ms.into(), 1, 60_000);
    range("database.patience_ms", database.patience_ms.into(), 1, 5_000);
    range("openai.vad_threshold", openai.vad_threshold.into(), 0, 1);
    range("openai.vad_prefix_ms", openai.vad_prefix_ms.into(), 0, 2_000);
    range("openai.vad_silence_ms", openai.vad_silence_ms.into(), 100, 5_000);
    range("openai.connect_timeout_ms", openai.connect_timeout_ms.into(), 100, 30_000);
    range("openai.renew_before_ms", openai.renew_before_ms.into(), 1_000, 600_000);
    range("deepgram.connect_timeout_ms", deepgram.connect_timeout_ms.into(), 100, 30_000);
    range("deepgram.keep_alive_ms", deepgram.keep_alive_ms.into(), 1_000, 9_000);
    range("deepgram.session_limit_s", deepgram.session_limit_s.into(), 60, 7_140);
    range("vad.aggressiveness", vad.aggressiveness.into(), 0, 3);
    range("vad.energy_threshold", vad.energy_threshold.into(), 1, 32_767);
    range("vad.confidence_threshold", vad.confidence_threshold.into(), 0, 1);
    range("endpoint.start_ms", endpoint.start_ms.into(), 20, 1_000);
    range("endpoint.hangover_ms", endpoint.hangover_ms.into(), 100, 5_000);
    range("endpoint.max_utterance_ms", endpoint.max_utterance_ms.into(), 1_000, 300_000);
    range("playout.preroll_ms", playout.preroll_ms.into(), 0, 2_000);
    range("playout.low_water_ms", playout.low_water_ms.into(), 0, 1_000);
    range("playout.lead_ms", playout.lead_ms.into(), 20, 200);
    range("playout.mark_every_ms", playout.mark_every_ms.into(), 20, 5_000);
    range("playout.max_queue_ms", playout.max_queue_ms.into(), 1_000, 3_600_000);
    range("barge_in.min_speech_ms", barge_in.min_speech_ms.into(), 20, 5_000);
    range("barge_in.initial_protection_ms", barge_in.initial_protection_ms.into(), 0, 5_000);
    range("barge_in.greeting_protection_ms", barge_in.greeting_protection_ms.into(), 0, 5_000);
    range("barge_in.cooldown_ms", barge_in.cooldown_ms.into(), 0, 5_000);
    range("barge_in.post_playout_protection_ms", barge_in.post_playout_protection_ms.into(), 0, 5_000);
    range("silence.filler_after_ms", silence.filler_after_ms.into(), 100, 60_000);
    range("silence.give_up_after_ms", silence.give_up_after_ms.into(), 100, 60_000);
    range("silence.agent_ready_within_ms", silence.agent_ready_within_ms.into(), 500, 60_000);
    range("silence.caller_reprompt_after_ms", silence.caller_reprompt_after_ms.into(), 1_000, 600_000);
    range("silence.caller_reprompts", silence.caller_reprompts.into(), 0, 20);
    range("limits.max_call_ms", limits.max_call_ms.into(), 1_000, 14_400_000);
    range("limits.drain_ms", limits.drain_ms.into(), 100, 60_000);
    range("limits.transcript_wait_ms", limits.transcript_wait_ms.into(), 100, 60_000);
    range("limits.mark_wait_ms", limits.mark_wait_ms.into(), 500, 60_000);
    range("limits.max_utterance_ms", limits.max_utterance_ms.into(), 5_000, 300_000);
    range("limits.dtmf_pause_ms", limits.dtmf_pause_ms.into(), 0, 10_000);
    range("limits.max_agent_turns", limits.max_agent_turns.into(), 1, 100);
    range("calls.max", calls.max.into(), 0, 100_000);
    range("calls.max_per_business", calls.max_per_business.into(), 0, 100_000);
    range("calls.max_outbound_per_business", calls.max_outbound_per_business.into(), 0, 100_000);
    range("calls.lease_s", calls.lease_s.into(), 10, 3_600);
    range("calls.sweep_every_s", calls.sweep_every_s.into(), 1, 3_600);
    range("calls.ring_s", calls.ring_s.into(), 5, 600);
    range("calls.resolve_after_s", calls.resolve_after_s.into(), 1, 600);
    range("campaigns.concurrency", campaigns.concurrency.into(), 1, 1_000);
    range("campaigns.spacing_ms", campaigns.spacing_ms.into(), 0, 3_600_000);
    range("campaigns.max_leads", campaigns.max_leads.into(), 1, 50_000);
    range("campaigns.lease_s", campaigns.lease_s.into(), 3, 600);
    range("campaigns.heartbeat_s", campaigns.heartbeat_s.into(), 1, 200);
    range("campaigns.unknown_s", campaigns.unknown_s.into(), 30, 86_400);
    range("media.start_timeout_ms", media.start_timeout_ms.into(), 100, 30_000);
    range("media.token_max_age_s", media.token_max_age_s.into(), 10, 3_600);
    range("media.max_message_bytes", media.max_message_bytes as f64, 4_096, 65_536);
    range("media.idle_timeout_ms", media.idle_timeout_ms.into(), 1_000, 600_000);
    range("media.max_lateness_ms", media.max_lateness_ms.into(), 0, 1_000);
    range("media.max_busy_percent", media.max_busy_percent.into(), 10, 100);
    let audiosocket = &asterisk.audiosocket;
    range("asterisk.audiosocket.handshake_ms", audiosocket.handshake_ms.into(), 100, 30_000);
    range("asterisk.audiosocket.bind_s", audiosocket.bind_s.into(), 5, 3_600);
    range("asterisk.audiosocket.max_connections", audiosocket.max_connections.into(), 1, 100_000);
    range("asterisk.audiosocket.connects_per_second", audiosocket.connects_per_second.get().into(), 1, 10_000);
    range("asterisk.ari.answer_timeout_ms", asterisk.ari.answer_timeout_ms.into(), 500, 60_000);
    range("webhooks.timeout_ms", webhooks.timeout_ms.into(), 100, 60_000);
    range("webhooks.first_retry_ms", webhooks.first_retry_ms.into(), 100, 3_600_000);
    range("webhooks.longest_retry_ms", webhooks.longest_retry_ms.into(), 100, 86_400_000);
    range("webhooks.give_up_after_s", webhooks.give_up_after_s.into(), 1, 2_592_000);
    range("webhooks.max_in_flight", webhooks.max_in_flight.into(), 1, 1_000);
    range("webhooks.max_in_flight_per_business", webhooks.max_in_flight_per_business.into(), 1, 1_000);
    range("webhooks.max_body_bytes", webhooks.max_body_bytes as f64, 4_096, 16_777_216);
    range("webhooks.secret_overlap_s", webhooks.secret_overlap_s.into(), 0, 2_592_000);
    range("webhooks.keep_s", webhooks.keep_s.into(), 3_600, 315_360_000);
    range("transcription.workers", transcription.workers.into(), 1, 32);
    range("transcription.at_once", transcription.at_once.into(), 1, 32);
    range("transcription.max_piece_s", transcription.max_piece_s.into(), 10, 780);
    range("transcription.timeout_s", transcription.timeout_s.into(), 1, 1_800);
    range("summary.timeout_ms", summary.timeout_ms.into(), 1_000, 600_000);
    range("recordings.answer_timeout_ms", recordings.answer_timeout_ms.into(), 100, 600_000);
    range("recordings.fetch_timeout_s", recordings.fetch_timeout_s.into(), 1, 86_400);
    range("recordings.max_bytes", recordings.max_bytes.into(), 65_536, 4_294_967_295);
    range("recordings.host_failures", recordings.host_failures.into(), 1, 1_000);
    range("recordings.host_pause_s", recordings.host_pause_s.into(), 1, 3_600);
    range("recordings.keep_s", recordings.keep_s.into(), 0, 315_360_000);
    range("recordings.quota_mb", recordings.quota_mb.into(), 0, 1_000_000_000);
    range("recordings.sweep_every_s", recordings.sweep_every_s.into(), 1, 86_400);
    range("recordings.downloads", recordings.downloads.into(), 1, 64);
    range("recordings.tries", recordings.tries.into(), 1, 20);
    range("recordings.first_retry_s", recordings.first_retry_s.into(), 1, 3_600);
    range("recordings.longest_retry_s", recordings.longest_retry_s.into(), 1, 86_400);
    range("recordings.await_s", recordings.await_s.into(), 0, 86_400);
    range("recordings.lease_s", recordings.lease_s.into(), 6, 3_600);
    range("recording.min_free_mb", recording.min_free_mb.into(), 0, 1_000_000);
    ranges
}
