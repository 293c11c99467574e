//! The embedded recogniser.
