//! The tables, for both databases. Private to the store; must agree with `migrations/`.

diesel::table! {
    calls (call_sid) {
        call_sid -> Text,
        status -> Text,
        duration_s -> BigInt,
        direction -> Nullable<Text>,
        direction_rank -> Nullable<SmallInt>,
        parent_call_sid -> Nullable<Text>,
        parent_rank -> Nullable<SmallInt>,
        business -> Nullable<Text>,
        business_rank -> Nullable<SmallInt>,
        from_party -> Nullable<Text>,
        from_rank -> Nullable<SmallInt>,
        to_party -> Nullable<Text>,
        to_rank -> Nullable<SmallInt>,
        answered_by -> Nullable<Text>,
        answered_by_rank -> Nullable<SmallInt>,
        machine_detection_ms -> Nullable<BigInt>,
        created_at -> BigInt,
        answered_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    status_events (call_sid, event_key) {
        call_sid -> Text,
        event_key -> Text,
        status -> Text,
        source -> Text,
        occurred_at -> BigInt,
        change_json -> Text,
    }
}

diesel::table! {
    turns (call_sid, number) {
        call_sid -> Text,
        number -> BigInt,
        speaker -> Text,
        text -> Text,
        heard_text -> Text,
        confidence -> Nullable<Float>,
        started_ms -> BigInt,
        ended_ms -> BigInt,
        interrupted -> Bool,
    }
}

diesel::table! {
    call_events (call_sid, seq) {
        call_sid -> Text,
        seq -> BigInt,
        at -> BigInt,
        call_ms -> BigInt,
        who -> Text,
        what -> Text,
        ids_json -> Text,
    }
}

diesel::table! {
    call_ends (call_sid) {
        call_sid -> Text,
        cause -> Text,
        farewell -> Text,
        dial_number -> Nullable<Text>,
        stats_json -> Text,
        ended_at -> BigInt,
    }
}

diesel::table! {
    media_claims (call_sid) {
        call_sid -> Text,
        node -> Text,
        claimed_at -> BigInt,
    }
}

diesel::table! {
    duties (duty) {
        duty -> Text,
        node -> Text,
        held_until -> BigInt,
    }
}

diesel::table! {
    recording_starts (call_sid) {
        call_sid -> Text,
        node -> Text,
        claimed_at -> BigInt,
    }
}

diesel::table! {
    businesses (id) {
        id -> Text,
        version -> BigInt,
        name -> Text,
        numbers_json -> Text,
        greeting -> Nullable<Text>,
        language -> Text,
        voice -> Nullable<Text>,
        agent -> Nullable<Text>,
        prompt_inbound -> Nullable<Text>,
        prompt_outbound -> Nullable<Text>,
        prompt_whatsapp -> Nullable<Text>,
        variables_json -> Text,
        max_calls -> Nullable<BigInt>,
        max_outbound -> Nullable<BigInt>,
        time_zone -> Text,
        transfer_to -> Nullable<Text>,
        webhook_url -> Nullable<Text>,
        recording -> Nullable<Text>,
        seeded -> Bool,
        edited -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    nodes (node) {
        node -> Text,
        beat_at -> BigInt,
        beating_since -> BigInt,
    }
}

diesel::table! {
    capacity_leases (scope, node) {
        scope -> Text,
        node -> Text,
        slots -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    business_numbers (number) {
        number -> Text,
        business -> Text,
    }
}

diesel::table! {
    business_versions (business, version) {
        business -> Text,
        version -> BigInt,
        changed_at -> BigInt,
        changed_by -> Text,
        changed_json -> Text,
        prompt_inbound -> Nullable<Text>,
        prompt_outbound -> Nullable<Text>,
        prompt_whatsapp -> Nullable<Text>,
        variables_json -> Text,
    }
}

diesel::table! {
    business_changes (one) {
        one -> SmallInt,
        number -> BigInt,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> Text,
        name -> Text,
        scope -> Text,
        business -> Nullable<Text>,
        hash -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    outbound_calls (job) {
        job -> Text,
        business -> Text,
        idempotency_key -> Nullable<Text>,
        to_number -> Text,
        from_number -> Text,
        context_json -> Text,
        on_machine -> Text,
        message -> Nullable<Text>,
        state -> Text,
        call_sid -> Nullable<Text>,
        error -> Nullable<Text>,
        created_at -> BigInt,
        dialled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Text,
        business -> Text,
        kind -> Text,
        subject -> Text,
        body_json -> Nullable<Text>,
        state -> Text,
        tries -> BigInt,
        next_try_at -> BigInt,
        first_try_at -> Nullable<BigInt>,
        last_status -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
        settled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    campaigns (id) {
        id -> Text,
        business -> Text,
        name -> Text,
        state -> Text,
        from_number -> Text,
        concurrency -> BigInt,
        spacing_ms -> BigInt,
        windows_json -> Text,
        time_zone -> Text,
        context_json -> Text,
        on_machine -> Text,
        message -> Nullable<Text>,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        last_dial_at -> Nullable<BigInt>,
        has_work -> Bool,
        holder -> Nullable<Text>,
        fence -> BigInt,
        held_until -> BigInt,
    }
}

diesel::table! {
    webhook_secrets (id) {
        id -> Text,
        business -> Text,
        secret -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    leads (campaign, position) {
        campaign -> Text,
        position -> BigInt,
        to_number -> Text,
        variables_json -> Text,
        job -> Text,
        state -> Text,
        attempts -> BigInt,
        call_sid -> Nullable<Text>,
        outcome -> Nullable<Text>,
        error -> Nullable<Text>,
        claimed_by -> Nullable<Text>,
        dialled_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    recordings (id) {
        id -> Text,
        call_sid -> Text,
        business -> Nullable<Text>,
        made_by -> Text,
        url -> Nullable<Text>,
        state -> Text,
        store_key -> Nullable<Text>,
        content_type -> Nullable<Text>,
        bytes -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
        length_ms -> Nullable<BigInt>,
        channels -> Nullable<BigInt>,
        error -> Nullable<Text>,
        created_at -> BigInt,
        fetched_at -> Nullable<BigInt>,
        read_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    recording_work (call_sid) {
        call_sid -> Text,
        business -> Nullable<Text>,
        state -> Text,
        recording -> Nullable<Text>,
        tries -> BigInt,
        takeovers -> BigInt,
        next_at -> BigInt,
        node -> Nullable<Text>,
        fence -> BigInt,
        lease_until -> BigInt,
        is_asked -> Bool,
        reason -> Nullable<Text>,
        over_at -> Nullable<BigInt>,
        created_at -> BigInt,
        settled_at -> Nullable<BigInt>,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    transcripts (call_sid) {
        call_sid -> Text,
        final_transcript -> Text,
        transcript_source -> Text,
        segments_json -> Text,
        model -> Nullable<Text>,
        decided_at -> BigInt,
        reason -> Text,
        transcribed_from -> Nullable<Text>,
    }
}

diesel::table! {
    transcript_decisions (call_sid, seq) {
        call_sid -> Text,
        seq -> BigInt,
        at -> BigInt,
        decision -> Text,
        reason -> Text,
    }
}

diesel::table! {
    call_summaries (call_sid) {
        call_sid -> Text,
        summary -> Nullable<Text>,
        fields_json -> Nullable<Text>,
        model -> Nullable<Text>,
        state -> Text,
        error -> Nullable<Text>,
        at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(recordings, recording_work);
diesel::allow_tables_to_appear_in_same_query!(calls, call_ends);
