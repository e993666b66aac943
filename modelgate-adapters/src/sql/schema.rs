//! The tables, as `diesel print-schema` tells them from the migrations.

diesel::table! {
    id_counters (name) {
        name -> Text,
        last -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        name -> Text,
        role -> Text,
        status -> Text,
        tier -> Nullable<Text>,
        default_model -> Nullable<Text>,
        allowed_models -> Text,
        allowed_ips -> Text,
        rpm -> Nullable<BigInt>,
        burst -> Nullable<BigInt>,
        tpm -> Nullable<BigInt>,
        max_parallel -> Nullable<BigInt>,
        quota -> Nullable<BigInt>,
        quota_period -> Nullable<Text>,
        quota_since -> BigInt,
        used -> BigInt,
        reserved -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    key_secrets (digest) {
        digest -> Text,
        key_id -> BigInt,
        prefix -> Text,
        last4 -> Text,
        valid_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    models (id) {
        id -> BigInt,
        name -> Text,
        enabled -> Integer,
        tiers -> Text,
        options -> Text,
        context_length -> Nullable<BigInt>,
        capabilities -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    model_aliases (name) {
        name -> Text,
        model_id -> BigInt,
        position -> Integer,
    }
}

diesel::table! {
    model_targets (id) {
        id -> BigInt,
        model_id -> BigInt,
        kind -> Text,
        base_url -> Nullable<Text>,
        upstream_name -> Text,
        credential -> Nullable<Text>,
        priority -> Integer,
        position -> Integer,
    }
}

diesel::table! {
    usage (id) {
        id -> Text,
        key_id -> BigInt,
        model_id -> BigInt,
        model_name -> Text,
        stream -> Integer,
        client -> Text,
        state -> Text,
        source -> Nullable<Text>,
        prompt_bound -> BigInt,
        reserved -> BigInt,
        prompt -> BigInt,
        cached -> BigInt,
        completion -> BigInt,
        reasoning -> BigInt,
        status -> Nullable<Integer>,
        error_code -> Nullable<Text>,
        error_message -> Nullable<Text>,
        target_id -> Nullable<BigInt>,
        target_name -> Nullable<Text>,
        backend -> Nullable<Text>,
        attempts -> Integer,
        attempt_detail -> Nullable<Text>,
        admitted -> BigInt,
        first_token -> Nullable<BigInt>,
        ended -> Nullable<BigInt>,
    }
}

diesel::joinable!(key_secrets -> api_keys (key_id));
diesel::joinable!(model_aliases -> models (model_id));
diesel::joinable!(model_targets -> models (model_id));
diesel::joinable!(usage -> api_keys (key_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    key_secrets,
    model_aliases,
    model_targets,
    models,
    usage
);
