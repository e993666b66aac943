//! The backend of each kind, as the settings say.

use std::sync::Arc;

use modelgate_adapters::backend::{
    EchoBackend, ImagePolicy, OllamaBackend, OllamaConfig, OpenAiBackend, OpenAiConfig,
    ReasoningField, Transport, TransportConfig,
};
use modelgate_domain::{BackendKind, BaseUrl, Secret};
use modelgate_ports::driven::{Backend, Clock, Entropy};
use modelgate_ports::driving::Backends;

use crate::failure::causes;
use crate::settings::{Adapter, Settings, SettingsError};

type Configured = Option<(BaseUrl, Option<Secret>)>;

/// One backend for each kind, over one HTTP client.
pub(super) fn backends(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Backends, SettingsError> {
    let transport =
        Transport::new(transport(settings)).map_err(|error| SettingsError::new(causes(&error)))?;
    let transport = Arc::new(transport);
    let openai = |kind| -> Result<Arc<dyn Backend>, SettingsError> {
        Ok(Arc::new(OpenAiBackend::new(
            Arc::clone(&transport),
            openai_config(settings, kind)?,
        )))
    };
    let mut backends = Backends::new();
    for kind in [
        BackendKind::Vllm,
        BackendKind::LlamaCpp,
        BackendKind::OpenAi,
        BackendKind::Api3,
    ] {
        backends = backends.with(kind, openai(kind)?);
    }
    let layer = openai(BackendKind::Ollama)?;
    let ollama = ollama_config(settings)?;
    let ollama = OllamaBackend::new(
        Arc::clone(&transport),
        ollama,
        Arc::clone(clock),
        Arc::clone(entropy),
        layer,
    );
    let echo = EchoBackend::new(Arc::clone(clock));
    Ok(backends
        .with(BackendKind::Ollama, Arc::new(ollama))
        .with(BackendKind::Echo, Arc::new(echo)))
}

/// Address and credential of the configured server of that kind.
pub(super) fn configured(
    settings: &Settings,
    kind: BackendKind,
) -> Result<Configured, SettingsError> {
    let Some(adapter) = adapter(settings, kind) else {
        return Ok(None);
    };
    let Some(text) = &adapter.base_url else {
        return Ok(None);
    };
    let wrong = |error| SettingsError::new(format!("adapters.{kind}.base_url {error}"));
    let base_url = BaseUrl::parse(kind, text).map_err(wrong)?;
    let Some(text) = &adapter.api_key else {
        return Ok(Some((base_url, None)));
    };
    let wrong = || {
        SettingsError::new(format!(
            "adapters.{kind}.api_key must be visible ASCII characters without spaces"
        ))
    };
    Ok(Some((
        base_url,
        Some(Secret::new(text.reveal()).ok_or_else(wrong)?),
    )))
}

fn adapter(settings: &Settings, kind: BackendKind) -> Option<&Adapter> {
    let adapters = &settings.adapters;
    match kind {
        BackendKind::Ollama => Some(&adapters.ollama),
        BackendKind::Vllm => Some(&adapters.vllm),
        BackendKind::LlamaCpp => Some(&adapters.llamacpp),
        BackendKind::OpenAi => Some(&adapters.openai),
        BackendKind::Api3 => Some(&adapters.api3),
        BackendKind::Echo => None,
    }
}

fn transport(settings: &Settings) -> TransportConfig {
    let (timers, upstreams) = (&settings.timeouts, &settings.upstreams);
    TransportConfig {
        connect: timers.connect,
        first_event: timers.first_event,
        idle: timers.idle,
        answer: settings.timeout,
        stream: timers.stream,
        ca_file: upstreams.ca_file.clone(),
        proxy: upstreams.proxy.clone().filter(|proxy| proxy != "off"),
        deny_private: upstreams.deny_private,
    }
}

fn openai_config(settings: &Settings, kind: BackendKind) -> Result<OpenAiConfig, SettingsError> {
    Ok(OpenAiConfig {
        server: configured(settings, kind)?,
        normalize: settings
            .streams
            .normalize
            .iter()
            .any(|name| name == kind.as_str()),
        images: images(settings),
        ..OpenAiConfig::new(kind)
    })
}

fn images(settings: &Settings) -> ImagePolicy {
    match settings.upstreams.image_policy.as_str() {
        "hosts" => ImagePolicy::Hosts(settings.upstreams.image_hosts.clone()),
        "data_only" => ImagePolicy::DataOnly,
        _ => ImagePolicy::Allow,
    }
}

fn ollama_config(settings: &Settings) -> Result<OllamaConfig, SettingsError> {
    let reasoning_field = match settings.streams.reasoning_field.as_str() {
        "reasoning" => ReasoningField::Reasoning,
        "both" => ReasoningField::Both,
        _ => ReasoningField::ReasoningContent,
    };
    let server = configured(settings, BackendKind::Ollama)?;
    Ok(OllamaConfig {
        server,
        reasoning_field,
        strict: settings.streams.strict_params,
    })
}
