use proptest::prelude::*;

use super::*;

/// Every message in these bytes, cut where the connection cut them, and what is left over.
fn read(chunks: &[Vec<u8>]) -> (Vec<String>, usize) {
    let (mut buffer, mut messages) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        let mut at = 0;
        while let Some(Decoded { message, length }) = decode(&buffer[at..]) {
            messages.push(format!("{message:?}"));
            at += length;
        }
        buffer.drain(..at);
    }
    (messages, buffer.len())
}

#[test]
fn what_asterisk_sends_is_read() {
    let id = "40325ec2-5efd-4bd3-805f-53576e581d13".parse().unwrap();
    let mut bytes = encode_id(id);
    encode_samples::<Hz8k>(&[1, -2], &mut bytes);
    bytes.extend(encode_digit('#'.try_into().unwrap()));
    encode_samples::<Hz16k>(&[], &mut bytes);
    bytes.extend(encode_hang_up());
    assert_eq!(&bytes[19..26], [0x10, 0, 4, 1, 0, 0xfe, 0xff]);
    assert_eq!(&bytes[26..], [0x03, 0, 1, b'#', 0x12, 0, 0, 0, 0, 0]);

    let mut at = 0;
    let mut next = || {
        let decoded = decode(&bytes[at..])?;
        at += decoded.length;
        Some(decoded.message)
    };
    assert_eq!(next(), Some(Ok(SocketMessage::Id(id))));
    assert_eq!(next(), Some(Ok(SocketMessage::Audio { rate: SocketRate::Hz8k, bytes: &[1, 0, 0xfe, 0xff] })));
    assert_eq!(next(), Some(Ok(SocketMessage::Digit('#'.try_into().unwrap()))));
    assert_eq!(next(), Some(Ok(SocketMessage::Audio { rate: SocketRate::Hz16k, bytes: &[] })));
    assert_eq!(next(), Some(Ok(SocketMessage::HangUp)));
    assert_eq!(next(), None);
}

#[test]
fn what_makes_no_sense_is_told_by_its_name_and_what_follows_is_still_found() {
    for (bytes, error) in [
        (&[0x11, 0, 2, 0, 0][..], AudioSocketError::Rate(12_000)),
        (&[0x18, 0, 0], AudioSocketError::Rate(192_000)),
        (&[0x19, 0, 0], AudioSocketError::Kind(0x19)),
        (&[0xff, 0, 1, 7], AudioSocketError::Kind(0xff)),
        (&[0x02, 0, 0], AudioSocketError::Kind(0x02)),
        (&[0x01, 0, 4, 1, 2, 3, 4], AudioSocketError::Id(4)),
        (&[0x03, 0, 2, b'1', b'2'], AudioSocketError::Digit),
        (&[0x03, 0, 1, b'x'], AudioSocketError::Digit),
        (&[0x03, 0, 1, 0x80], AudioSocketError::Digit),
    ] {
        let decoded = decode(bytes).unwrap();
        assert_eq!((decoded.message, decoded.length), (Err(error), bytes.len()), "{bytes:?}");
    }
}

#[test]
fn a_key_may_be_written_small() {
    let decoded = decode(&[0x03, 0, 1, b'd']).unwrap();
    assert_eq!(decoded.message, Ok(SocketMessage::Digit('D'.try_into().unwrap())));
}

#[test]
fn a_uuid_is_written_as_asterisk_writes_it() {
    let text = "0a325ec2-5efd-4bd3-805f-53576e581d13";
    let id: CallUuid = text.parse().unwrap();
    assert_eq!((id.to_string().as_str(), id.stream_sid().as_str()), (text, "MZ0a325ec25efd4bd3805f53576e581d13"));
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    for wrong in [
        "",
        "0a325ec25efd4bd3805f53576e581d13",
        "0a325ec2-5efd-4bd3-805f5-3576e581d13",
        "+a325ec2-5efd-4bd3-805f-53576e581d13",
    ] {
        assert_eq!(wrong.parse::<CallUuid>(), Err(NotAUuid), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_frame_comes_back_as_it_was_sent(samples in prop::collection::vec(any::<i16>(), 320)) {
        let frame = PcmFrame::<Hz16k>::from_samples(&samples).unwrap();
        let mut bytes = Vec::new();
        encode_audio(&frame, &mut bytes);
        let Decoded { message, length } = decode(&bytes).unwrap();
        prop_assert_eq!(length, bytes.len());
        let Ok(SocketMessage::Audio { rate: SocketRate::Hz16k, bytes }) = message else { panic!("{message:?}") };
        let heard: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        prop_assert_eq!(heard, samples);
    }

    #[test]
    fn it_does_not_matter_how_the_connection_cuts_the_bytes(
        bytes in prop::collection::vec(prop_oneof![3 => any::<u8>(), 2 => Just(0u8)], 0..400),
        cuts in prop::collection::vec(0..400usize, 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<Vec<u8>> = cuts.windows(2).map(|cut| bytes[cut[0]..cut[1]].to_vec()).collect();
        prop_assert_eq!(read(&chunks), read(&[bytes]));
    }

    #[test]
    fn a_uuid_comes_back_as_it_was_written(bytes: [u8; 16]) {
        let id = CallUuid::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse::<CallUuid>(), Ok(id));
        prop_assert_eq!(id.call_sid().number(), u128::from_be_bytes(bytes));
    }

    #[test]
    fn a_uuid_of_ours_is_known_and_no_other_is(random: [u8; 8], other: [u8; 16], bit in 0..128usize) {
        let seal = UuidSeal::new(b"secret");
        let id = seal.issue(random);
        prop_assert!(seal.is_ours(&id));
        prop_assert_eq!((id.as_bytes()[6] >> 4, id.as_bytes()[8] >> 6), (8, 2), "a UUID of version 8");
        prop_assert!(!UuidSeal::new(b"another").is_ours(&id));
        prop_assert!(!seal.is_ours(&CallUuid::from_bytes(other)));
        let mut changed = *id.as_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!seal.is_ours(&CallUuid::from_bytes(changed)));
    }
}
