//! Who owns which state, and in what order things happen.

pub mod metered;
