//! The voice agent of the `OpenAI` Realtime API.
