//! Kinesis Video Streams: GetDataEndpoint and GetMedia.
