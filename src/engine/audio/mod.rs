//! Sound: rates, frames and what is done with them.
//!
//! A frame is 20 ms of 16-bit linear mono samples and knows its rate by its type ([`PcmFrame`]). On its way
//! from the caller it is decoded ([`g711`]), judged ([`Vad`], [`Endpointer`]) and converted to the agent's rate
//! ([`Resampler`]); on its way back it is converted, queued and paced ([`Playout`]). What went over the wire in
//! both directions is laid onto one tape ([`WavWriter`]). Nothing here allocates per frame.

mod endpointer;
mod frame;
mod framer;
pub mod g711;
mod level;
mod peaks;
mod playout;
mod rate;
mod resample;
mod settings;
mod tape;
mod vad;
mod wav;

pub use endpointer::{Edge, Endpointer};
pub use frame::{FRAME, FRAME_MS, PcmFrame};
pub use framer::{Framer, PcmBytes, append_pcm_bytes};
pub use level::Level;
pub use peaks::{NoPeaks, Outline, Peaks};
pub use playout::{Cleared, Playout, PlayoutStats, Step};
pub use rate::{CallRate, Hz8k, Hz16k, Hz24k, Hz32k, Hz48k, Rate, VadRate};
pub use resample::Resampler;
pub use settings::{EndpointSettings, PlayoutSettings, VadSettings};
pub use tape::WireTape;
pub use vad::{Vad, Voice};
pub use wav::{MonoWavWriter, WavError, WavWriter};
