//! The embedded voice agent: a receptionist without key and network.
