//! The real `modelgate` binary against scripted upstreams: the harness first, then the conformance cases.
//!
//! Write a case like this:
//!
//! ```ignore
//! #[tokio::test]
//! async fn case_50_unknown_answer_fields_reach_the_client() {
//!     let gate = TestGate::start().await; // a server of its own, with `gate.upstream` beside it
//!     let key = gate.with_model("m", "vllm").await; // model `m` on that upstream, and a key without limits
//!     gate.upstream.answers(json(200, r#"{"choices":[],"timings":{"a":1}}"#));
//!     let answer = gate.chat(&key, "hi").await;
//!     assert_eq!(answer.json()["timings"]["a"], 1);
//! }
//! ```
//!
//! - `gate.rs`: starts, stops, kills and restarts the program; admin calls; rows, logs, canaries.
//! - `client.rs`: what a client does: plain calls, event streams, exact bytes, HTTP/2.
//! - `upstream.rs`: what a backend does: records every request, answers by script.
//! - `wait.rs`: bounded waiting on conditions. No test sleeps to let something happen.
//! - `samples.rs`: every kind, every POST route with a good body.
//! - `recordings.rs`: streams of every kind of server, byte for byte, which the properties split and cut.
//! - `wire.rs`: reading HTTP/1 messages off a socket, for both raw ends.
//!
//! Test names begin with the number of their conformance case, promise (`r17_`) or threat (`s13_`).

mod client;
mod gate;
mod upstream;
mod wait;
mod wire;

mod recordings;
mod samples;

mod harness;

mod admin_api_keys;
mod admin_api_models;
mod admin_api_restarts;
mod admin_api_roles;
mod admin_api_secrets;
mod admin_api_sync;
mod admission;
mod admission_failover;
mod admission_limits;
mod admission_quota;
mod admission_rows;
mod conformance_access;
mod conformance_answers;
mod conformance_answers_aborted;
mod conformance_answers_ollama;
mod conformance_answers_outages;
mod conformance_answers_refused;
mod conformance_bad_input;
mod conformance_encodings;
mod conformance_fidelity;
mod conformance_fidelity_embeddings;
mod conformance_fidelity_names;
mod conformance_fidelity_text;
mod conformance_framing;
mod conformance_h2;
mod conformance_headers;
mod conformance_health;
mod conformance_limits;
mod conformance_models;
mod conformance_ollama_requests;
mod conformance_ollama_requests_inputs;
mod conformance_ollama_requests_media;
mod conformance_ollama_requests_options;
mod conformance_ollama_streams;
mod conformance_reuse;
mod conformance_routes;
mod conformance_streams;
mod conformance_streams_broken;
mod conformance_streams_dialects;
mod conformance_streams_failed;
mod conformance_streams_fields;
mod conformance_streams_gone;
mod conformance_streams_stopped;
mod conformance_streams_usage;
mod conformance_streams_waiting;
mod conformance_streams_wire;
mod conformance_tls;
mod properties;
mod properties_aborts;
mod properties_answers;
mod properties_secrets;
mod properties_streams;
mod settings_start;
mod threats_access;
mod threats_files;
mod threats_hostile;
mod threats_ids;
mod threats_media;
mod threats_quota;
mod threats_quota_streams;
mod threats_upstream_keys;
mod threats_wire;
