//! Sound: rates, frames and what is done with them.

mod frame;
mod rate;
mod settings;

pub use frame::{FRAME, FRAME_MS, PcmFrame};
pub use rate::{Hz8k, Hz16k, Hz24k, Hz32k, Hz48k, Rate, VadRate};
pub use settings::{EndpointSettings, PlayoutSettings, VadSettings};
