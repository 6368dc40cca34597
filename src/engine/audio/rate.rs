//! Sample rates as types.

/// A sample rate that the engine knows, as a type: what has the wrong rate doesn't compile.
pub trait Rate: Copy + Clone + Send + Sync + Unpin + std::fmt::Debug + 'static {
    /// Samples per second.
    const HZ: u32;
    /// Samples in a frame of 20 ms.
    const FRAME_SAMPLES: usize;
    /// The array that holds one frame.
    type Samples: AsRef<[i16]> + AsMut<[i16]> + Copy + Send + Sync + Unpin + 'static;
    /// A frame's worth of digital silence.
    const SILENCE: Self::Samples;
}

/// A rate that WebRTC's voice activity detector takes: 8, 16, 32 or 48 kHz. 24 kHz is not one.
pub trait VadRate: Rate {}

/// A rate at which a call can be: its frames can be judged, at the rate itself or resampled to one that the detector takes.
pub trait CallRate: Rate {
    /// The rate at which its frames are judged.
    type Judged: VadRate;
}

macro_rules! rate {
    ($name:ident, $hz:literal, $samples:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl Rate for $name {
            const HZ: u32 = $hz;
            const FRAME_SAMPLES: usize = $samples;
            type Samples = [i16; $samples];
            const SILENCE: Self::Samples = [0; $samples];
        }
    };
}

rate!(Hz8k, 8_000, 160, "8 kHz, the telephone's rate: 160 samples per frame.");
rate!(Hz16k, 16_000, 320, "16 kHz, wideband telephony and the browser: 320 samples per frame.");
rate!(Hz24k, 24_000, 480, "24 kHz, the rate of speech models: 480 samples per frame.");
rate!(Hz32k, 32_000, 640, "32 kHz: 640 samples per frame.");
rate!(Hz48k, 48_000, 960, "48 kHz, the sound card's rate: 960 samples per frame.");

impl VadRate for Hz8k {}
impl VadRate for Hz16k {}
impl VadRate for Hz32k {}
impl VadRate for Hz48k {}

impl CallRate for Hz8k {
    type Judged = Self;
}

impl CallRate for Hz16k {
    type Judged = Self;
}

impl CallRate for Hz24k {
    type Judged = Hz16k;
}

impl CallRate for Hz48k {
    type Judged = Self;
}
