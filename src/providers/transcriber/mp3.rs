//! MP3 files, decoded for whoever wants samples.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::DecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatOptions;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::probe::Hint;

use super::TranscribeError;

/// Decodes a whole file into a WAV file of 16 bits, a packet at a time.
pub(super) fn decode(mp3: &Path, wav: &File) -> Result<(), TranscribeError> {
    let source = MediaSourceStream::new(Box::new(File::open(mp3)?), Default::default());
    let mut hint = Hint::new();
    hint.with_extension("mp3");
    let probe = symphonia::default::get_probe();
    let found = probe.format(&hint, source, &FormatOptions::default(), &MetadataOptions::default());
    let mut reader = found.map_err(unusable)?.format;
    let track = reader.default_track().ok_or_else(|| TranscribeError::Unusable(NO_SOUND.to_owned()))?;
    let codecs = symphonia::default::get_codecs();
    let mut decoder = codecs.make(&track.codec_params, &DecoderOptions::default()).map_err(unusable)?;

    let mut out = None;
    loop {
        let packet = match reader.next_packet() {
            Ok(packet) => packet,
            Err(Error::IoError(error)) if error.raw_os_error().is_some() => return Err(TranscribeError::Disk(error)),
            // The end of the file, whether it was expected there or not.
            Err(Error::IoError(_) | Error::ResetRequired) => break,
            Err(error) => return Err(unusable(error)),
        };
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            // A damaged packet is a gap of 24 ms.
            Err(Error::DecodeError(_)) => continue,
            Err(error) => return Err(unusable(error)),
        };
        let spec = *decoded.spec();
        let mut samples = SampleBuffer::<i16>::new(decoded.capacity() as u64, spec);
        samples.copy_interleaved_ref(decoded);
        let writer = match &mut out {
            Some(writer) => writer,
            None => out.insert(writer(wav, spec.channels.count() as u16, spec.rate)?),
        };
        for &sample in samples.samples() {
            writer.write_sample(sample).map_err(not_written)?;
        }
    }
    match out {
        Some(writer) => writer.finalize().map_err(not_written),
        None => Err(TranscribeError::Unusable(NO_SOUND.to_owned())),
    }
}

const NO_SOUND: &str = "it is neither WAV nor MP3";

fn writer<W: Write + Seek>(file: W, channels: u16, hz: u32) -> Result<WavWriter<BufWriter<W>>, TranscribeError> {
    let spec = WavSpec { channels, sample_rate: hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
    WavWriter::new(BufWriter::new(file), spec).map_err(not_written)
}

fn unusable(error: Error) -> TranscribeError {
    match error {
        Error::IoError(error) if error.raw_os_error().is_some() => TranscribeError::Disk(error),
        _ => TranscribeError::Unusable(NO_SOUND.to_owned()),
    }
}

fn not_written(error: hound::Error) -> TranscribeError {
    match error {
        hound::Error::IoError(error) => TranscribeError::Disk(error),
        other => TranscribeError::Unusable(other.to_string()),
    }
}
