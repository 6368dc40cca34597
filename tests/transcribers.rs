//! Recognisers: what they are given, what they may answer, and what is made of it.

#[path = "support/skip.rs"]
mod skip;
#[path = "support/vendor_http.rs"]
mod vendor_http;

#[path = "transcribers/commands.rs"]
mod commands;
#[path = "transcribers/deepgram.rs"]
mod deepgram;
#[path = "transcribers/openai.rs"]
mod openai;
#[path = "transcribers/sounds.rs"]
mod sounds;
