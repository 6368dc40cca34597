//! Random bytes, for names that nobody has had and texts that nobody can guess.

use super::problem::Problem;
use super::token;

/// So many random bytes.
///
/// # Errors
/// The system has none.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(bytes)
}

/// The hexadecimal digits of so many random bytes.
///
/// # Errors
/// The system has none.
pub(super) fn hex<const N: usize>() -> Result<String, Problem> {
    Ok(token::hex(&bytes::<N>()?))
}
