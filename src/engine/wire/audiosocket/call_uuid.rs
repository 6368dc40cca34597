//! The UUID that names a call on an AudioSocket, and the seal by which we know those that we issued.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::engine::ids::{CallSid, StreamSid};

/// A text that is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a UUID: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with a hyphen between")]
pub struct NotAUuid;

/// The name that the dialplan gives a call, 16 bytes.
///
/// In the record the call has the same 32 digits behind the `CA` of every call.
///
/// ```
/// use trunkline::engine::wire::audiosocket::CallUuid;
/// let id: CallUuid = "40325ec2-5efd-4bd3-805f-53576e581d13".parse().unwrap();
/// assert_eq!(id.call_sid().as_str(), "CA40325ec25efd4bd3805f53576e581d13");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallUuid([u8; 16]);

impl CallUuid {
    /// The UUID of these bytes, most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The call's name in the record.
    pub fn call_sid(&self) -> CallSid {
        format!("CA{}", self.hex()).parse().expect("16 bytes are 32 hexadecimal digits")
    }

    /// The name of its media stream: a call has one.
    pub fn stream_sid(&self) -> StreamSid {
        format!("MZ{}", self.hex()).parse().expect("16 bytes are 32 hexadecimal digits")
    }

    fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for CallUuid {
    type Err = NotAUuid;

    fn from_str(text: &str) -> Result<Self, NotAUuid> {
        let groups: Vec<&str> = text.split('-').collect();
        let is_in_groups = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
        let digits = groups.concat();
        if !is_in_groups || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAUuid);
        }
        u128::from_str_radix(&digits, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| NotAUuid)
    }
}

impl fmt::Display for CallUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.hex();
        let [a, b, c, d, e] = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for CallUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes UUIDs that every node which has the same secret knows as issued by us, without asking anybody.
///
/// Such a UUID is of version 8 (RFC 9562, 5.8): 60 random bits, then 62 bits of an HMAC over them. So it is never taken
/// for one that a dialplan made up, even while the database, which knows whose call it is, can't be asked.
#[derive(Clone)]
pub struct UuidSeal(Hmac<Sha256>);

impl UuidSeal {
    /// With a key derived from this secret, so that the secret may serve other ends too.
    pub fn new(secret: &[u8]) -> Self {
        let key = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        let derived = key.chain_update(b"trunkline audiosocket uuid 1").finalize().into_bytes();
        Self(Hmac::new_from_slice(&derived).expect("HMAC takes a key of any length"))
    }

    /// The UUID that these random bits make.
    pub fn issue(&self, random: [u8; 8]) -> CallUuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random);
        bytes[6] = 0x80 | (bytes[6] & 0x0f);
        let seal = self.0.clone().chain_update(&bytes[..8]).finalize().into_bytes();
        bytes[8..].copy_from_slice(&seal[..8]);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        CallUuid(bytes)
    }

    /// Whether it was issued with this secret.
    pub fn is_ours(&self, id: &CallUuid) -> bool {
        let mut random = [0; 8];
        random.copy_from_slice(&id.0[..8]);
        self.issue(random).0.ct_eq(&id.0).into()
    }
}

impl fmt::Debug for UuidSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UuidSeal")
    }
}
