//! What is being put together: Info, a TrackEntry, the SimpleTags that are open, a BlockGroup.
//!
//! Each is filled value by value and handed out when its element ends. Texts of Info and of tracks are
//! copied, since those are kept over many documents; those of tags are left where they lie. It must never
//! know the order of elements; defaults are those of RFC 9559.

use std::ops::Range;

use bytes::Bytes;

use crate::Text;
use crate::borrowed::TagRef;
use crate::event::VideoSettings;
use crate::event::{AudioSettings, ContentEncoding, Frame, SegmentInfo, Track, TrackKind};
use crate::ids::Field;
use crate::span::{Span, TagDraft};
use crate::text::plain;

/// `TimestampScale` where the element is missing (RFC 9559 section 5.1.2.9).
pub(crate) const DEFAULT_TIMESTAMP_SCALE_NS: u64 = 1_000_000;

/// Everything half read of one document.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) info: Option<SegmentInfo>,
    pub(crate) track: Option<TrackDraft>,
    /// The open SimpleTags, the innermost last.
    pub(crate) tags: Vec<TagDraft>,
    /// The SimpleTag that is complete.
    done: TagDraft,
    /// `TagTrackUID`s of the open Tag.
    pub(crate) uids: Vec<u64>,
    pub(crate) group: Group,
}

#[derive(Debug)]
pub(crate) struct TrackDraft {
    track: Track,
    bcp47: Option<Text>,
    encodings: Vec<EncodingDraft>,
}

/// Defaults: order 0, scope 1 (frames), type 0 (compression), algorithm 0 (zlib).
#[derive(Debug)]
struct EncodingDraft {
    order: u64,
    scope: u64,
    kind: u64,
    algo: u64,
    settings: Bytes,
}

/// The open BlockGroup.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) frames: Vec<Frame>,
    pub(crate) has_block: bool,
    pub(crate) duration_ticks: Option<u64>,
    pub(crate) has_reference: bool,
}

impl Group {
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.has_block = false;
        self.duration_ticks = None;
        self.has_reference = false;
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.data.len()).sum()
    }
}

impl Draft {
    /// Forgets everything; the room it took is kept for the next document.
    pub(crate) fn clear(&mut self) {
        self.info = None;
        self.track = None;
        self.tags.clear();
        self.uids.clear();
        self.group.clear();
    }

    /// The input's first buffer is about to be left behind: keeps what points into it.
    #[inline]
    pub(crate) fn hold(&mut self, front: &Bytes) {
        for tag in &mut self.tags {
            tag.name.hold(front);
            tag.value.hold(front);
        }
    }

    pub(crate) fn begin_info(&mut self) {
        self.info = Some(SegmentInfo {
            uuid: None,
            timestamp_scale_ns: DEFAULT_TIMESTAMP_SCALE_NS,
            duration: None,
            date_utc_ns: None,
            title: None,
            muxing_app: None,
            writing_app: None,
        });
    }

    pub(crate) fn begin_track(&mut self) {
        let track = Track {
            number: 0,
            uid: 0,
            kind: TrackKind::Other(0),
            name: None,
            language: "eng".into(),
            codec_id: Text::default(),
            codec_private: None,
            default_duration_ns: None,
            codec_delay_ns: 0,
            audio: None,
            video: None,
            encodings: Vec::new(),
        };
        self.track = Some(TrackDraft { track, bcp47: None, encodings: Vec::new() });
    }

    pub(crate) fn begin_audio(&mut self) {
        if let Some(draft) = &mut self.track {
            draft.track.audio = Some(AudioSettings {
                sampling_frequency_hz: 8000.0,
                output_sampling_frequency_hz: None,
                channels: 1,
                bit_depth: None,
            });
        }
    }

    pub(crate) fn begin_video(&mut self) {
        if let Some(draft) = &mut self.track {
            draft.track.video = Some(VideoSettings { pixel_width: 0, pixel_height: 0 });
        }
    }

    pub(crate) fn begin_encoding(&mut self) {
        if let Some(draft) = &mut self.track {
            draft.encodings.push(EncodingDraft {
                order: 0,
                scope: 1,
                kind: 0,
                algo: 0,
                settings: Bytes::new(),
            });
        }
    }

    /// ContentEncodings of the open track.
    pub(crate) fn encodings(&self) -> usize {
        self.track.as_ref().map_or(0, |draft| draft.encodings.len())
    }

    pub(crate) fn begin_tag(&mut self, offset: u64) {
        self.tags.push(TagDraft::at(offset));
    }

    /// Takes TagName, TagString or TagBinary.
    pub(crate) fn tag_value(&mut self, field: Field, span: Span) {
        if let Some(tag) = self.tags.last_mut() {
            tag.take(field, span);
        }
    }

    /// The innermost open SimpleTag is complete; false where none is open.
    pub(crate) fn end_tag(&mut self, front: &Bytes) -> bool {
        let found = self.tags.pop();
        let any = found.is_some();
        if let Some(tag) = found {
            self.finish_tag(tag, front);
        }
        any
    }

    /// This SimpleTag is complete.
    pub(crate) fn finish_tag(&mut self, mut tag: TagDraft, front: &Bytes) {
        tag.name.fix(front);
        if !tag.binary {
            tag.value.fix(front);
        }
        self.done = tag;
    }

    /// A SimpleTag is complete whose name and string lie here in the input's first buffer.
    #[inline]
    pub(crate) fn done_in_front(
        &mut self,
        offset: u64,
        name: Range<usize>,
        value: Range<usize>,
        front: &Bytes,
    ) {
        let (n, v) = (name.len(), value.len());
        let texts = front.get(name.clone()).zip(front.get(value.clone()));
        let done = &mut self.done;
        done.offset = offset;
        done.binary = false;
        done.name = Span::Front { start: name.start, len: n };
        done.value = Span::Front { start: value.start, len: v };
        if !texts.is_some_and(|(name, value)| plain(name) & plain(value)) {
            done.name.fix(front);
            done.value.fix(front);
        }
    }

    /// The SimpleTag that was completed last.
    pub(crate) fn tag<'a>(&'a self, front: &'a Bytes) -> TagRef<'a> {
        let tag = &self.done;
        TagRef {
            track_uids: &self.uids,
            offset: tag.offset,
            name: tag.name.piece(front),
            value: tag.value.piece(front),
            binary: tag.binary,
        }
    }

    pub(crate) fn end_track(&mut self) -> Option<Track> {
        let TrackDraft { mut track, bcp47, mut encodings } = self.track.take()?;
        // RFC 9559 section 5.1.4.1.20: where LanguageBCP47 is used, Language must be ignored.
        if let Some(language) = bcp47 {
            track.language = language;
        }
        encodings.sort_by_key(|encoding| encoding.order);
        track.encodings = encodings.into_iter().map(EncodingDraft::finish).collect();
        Some(track)
    }

    /// Takes a number; `None` is an empty element, which stands for its default (RFC 8794 section 6.1).
    pub(crate) fn uint(&mut self, field: Field, value: Option<u64>) {
        match field {
            Field::TimestampScale => {
                if let Some(info) = &mut self.info {
                    info.timestamp_scale_ns = value.unwrap_or(DEFAULT_TIMESTAMP_SCALE_NS);
                }
            }
            Field::BlockDuration => self.group.duration_ticks = Some(value.unwrap_or(0)),
            Field::TagTrackUid => self.uids.push(value.unwrap_or(0)),
            _ => {
                if let Some(draft) = &mut self.track {
                    draft.uint(field, value);
                }
            }
        }
    }

    /// Takes a float; `None` is an empty element. All of these are greater than 0 by the specification, so
    /// that infinity, what is no number and what is below say nothing.
    pub(crate) fn float(&mut self, field: Field, value: Option<f64>) {
        if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
            return;
        }
        if field == Field::Duration {
            if let Some(info) = &mut self.info {
                info.duration = Some(value.unwrap_or(0.0));
            }
        } else if let Some(audio) = self.track.as_mut().and_then(|draft| draft.track.audio.as_mut()) {
            if field == Field::SamplingFrequency {
                audio.sampling_frequency_hz = value.unwrap_or(8000.0);
            } else {
                // Its default is the sampling frequency, which is what `None` says.
                audio.output_sampling_frequency_hz = value;
            }
        }
    }

    pub(crate) fn date(&mut self, value: i64) {
        if let Some(info) = &mut self.info {
            info.date_utc_ns = Some(value);
        }
    }

    pub(crate) fn text(&mut self, field: Field, value: Text) {
        match field {
            Field::Title | Field::MuxingApp | Field::WritingApp => {
                if let Some(info) = &mut self.info {
                    match field {
                        Field::Title => info.title = Some(value),
                        Field::MuxingApp => info.muxing_app = Some(value),
                        _ => info.writing_app = Some(value),
                    }
                }
            }
            _ => {
                if let Some(draft) = &mut self.track {
                    draft.text(field, value);
                }
            }
        }
    }

    pub(crate) fn binary(&mut self, field: Field, value: Bytes) {
        match field {
            Field::SegmentUuid => {
                if let Some(info) = &mut self.info {
                    info.uuid = value.as_ref().try_into().ok();
                }
            }
            Field::ReferenceBlock => self.group.has_reference = true,
            _ => {
                if let Some(draft) = &mut self.track {
                    match field {
                        Field::CodecPrivate => draft.track.codec_private = Some(value),
                        _ => {
                            if let Some(encoding) = draft.encodings.last_mut() {
                                encoding.settings = value;
                            }
                        }
                    }
                }
            }
        }
    }
}

impl TrackDraft {
    fn uint(&mut self, field: Field, value: Option<u64>) {
        let v = value.unwrap_or(0);
        let track = &mut self.track;
        match field {
            Field::TrackNumber => track.number = v,
            Field::TrackUid => track.uid = v,
            Field::TrackType => track.kind = kind(v),
            Field::DefaultDuration => track.default_duration_ns = value,
            Field::CodecDelay => track.codec_delay_ns = v,
            Field::Channels | Field::BitDepth => {
                if let Some(audio) = &mut track.audio {
                    match field {
                        Field::Channels => audio.channels = value.unwrap_or(1),
                        _ => audio.bit_depth = value,
                    }
                }
            }
            Field::PixelWidth | Field::PixelHeight => {
                if let Some(video) = &mut track.video {
                    match field {
                        Field::PixelWidth => video.pixel_width = v,
                        _ => video.pixel_height = v,
                    }
                }
            }
            _ => {
                if let Some(encoding) = self.encodings.last_mut() {
                    match field {
                        Field::ContentEncodingOrder => encoding.order = v,
                        Field::ContentEncodingScope => encoding.scope = value.unwrap_or(1),
                        Field::ContentEncodingType => encoding.kind = v,
                        Field::ContentCompAlgo => encoding.algo = v,
                        _ => {}
                    }
                }
            }
        }
    }

    fn text(&mut self, field: Field, value: Text) {
        match field {
            Field::Name => self.track.name = Some(value),
            Field::CodecId => self.track.codec_id = value,
            Field::Language if value.is_empty() => self.track.language = "eng".into(),
            Field::Language => self.track.language = value,
            Field::LanguageBcp47 if !value.is_empty() => self.bcp47 = Some(value),
            _ => {}
        }
    }
}

impl EncodingDraft {
    fn finish(self) -> ContentEncoding {
        // Bit 0 of the scope: the frames. Stripping that leaves the frames alone must not be undone there,
        // so it is named by its number, which tells a reader to keep off.
        match (self.kind, self.algo) {
            (0, 3) if self.scope & 1 != 0 => ContentEncoding::HeaderStripping(self.settings),
            (0, algo) => ContentEncoding::Compression(algo),
            _ => ContentEncoding::Encryption,
        }
    }
}

fn kind(number: u64) -> TrackKind {
    match number {
        1 => TrackKind::Video,
        2 => TrackKind::Audio,
        3 => TrackKind::Complex,
        16 => TrackKind::Logo,
        17 => TrackKind::Subtitle,
        18 => TrackKind::Buttons,
        32 => TrackKind::Control,
        33 => TrackKind::Metadata,
        other => TrackKind::Other(other),
    }
}
