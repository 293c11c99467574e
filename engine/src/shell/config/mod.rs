//! Configuration: file, environment and flags in, one valid configuration out.
