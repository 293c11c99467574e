//! The element table: which element ids mean something, and inside which parent (RFC 9559 section 5).
//!
//! It knows ids and names. It must never know bytes, offsets or what a value is used for.

/// The EBML header, RFC 8794 section 11.2.1.
pub(crate) const EBML: u64 = 0x1A45_DFA3;
pub(crate) const EBML_READ_VERSION: u64 = 0x42F7;
pub(crate) const EBML_MAX_ID_LENGTH: u64 = 0x42F2;
pub(crate) const EBML_MAX_SIZE_LENGTH: u64 = 0x42F3;
pub(crate) const DOC_TYPE: u64 = 0x4282;
pub(crate) const VOID: u64 = 0xEC;
pub(crate) const CRC_32: u64 = 0xBF;
pub(crate) const SEGMENT: u64 = 0x1853_8067;

/// The masters that are walked into. All other elements are read as a value or passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Master {
    Segment,
    Info,
    Tracks,
    TrackEntry,
    Audio,
    Video,
    ContentEncodings,
    ContentEncoding,
    ContentCompression,
    ContentEncryption,
    Cluster,
    BlockGroup,
    Tags,
    Tag,
    Targets,
    SimpleTag,
}

/// The values that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    SegmentUuid,
    TimestampScale,
    Duration,
    DateUtc,
    Title,
    MuxingApp,
    WritingApp,
    TrackNumber,
    TrackUid,
    TrackType,
    Name,
    Language,
    LanguageBcp47,
    CodecId,
    CodecPrivate,
    DefaultDuration,
    CodecDelay,
    SamplingFrequency,
    OutputSamplingFrequency,
    Channels,
    BitDepth,
    PixelWidth,
    PixelHeight,
    ContentEncodingOrder,
    ContentEncodingScope,
    ContentEncodingType,
    ContentCompAlgo,
    ContentCompSettings,
    ClusterTimestamp,
    BlockDuration,
    ReferenceBlock,
    TagTrackUid,
    TagName,
    TagString,
    TagBinary,
}

/// How an element is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Master(Master),
    Uint(Field),
    Float(Field),
    Date(Field),
    Text(Field),
    Binary(Field),
    SimpleBlock,
    Block,
    /// Known not to matter here, or not known at all.
    Skip,
    /// Belongs to a level above: it ends an element of unknown size, and is a fault inside any other.
    Upper,
}

/// What `id` means inside `parent`.
pub(crate) fn kind(parent: Master, id: u64) -> Kind {
    let found = match parent {
        Master::Cluster => cluster_child(id),
        Master::BlockGroup => block_group_child(id),
        Master::Segment => segment_child(id),
        Master::Info => info_child(id),
        Master::Tracks => (id == 0xAE).then_some(Kind::Master(Master::TrackEntry)),
        Master::Tags => (id == 0x7373).then_some(Kind::Master(Master::Tag)),
        Master::Tag | Master::Targets | Master::SimpleTag => tag_child(parent, id),
        _ => track_child(parent, id),
    };
    match found {
        Some(kind) => kind,
        None if is_upper(parent, id) => Kind::Upper,
        None => Kind::Skip,
    }
}

fn is_upper(parent: Master, id: u64) -> bool {
    match id {
        EBML | SEGMENT => true,
        0x114D_9B74 | 0x1C53_BB6B | 0x1941_A469 | 0x1043_A770 => parent != Master::Segment,
        _ => parent != Master::Segment && segment_child(id).is_some(),
    }
}

fn cluster_child(id: u64) -> Option<Kind> {
    Some(match id {
        0xA3 => Kind::SimpleBlock,
        0xA0 => Kind::Master(Master::BlockGroup),
        0xE7 => Kind::Uint(Field::ClusterTimestamp),
        _ => return None,
    })
}

fn block_group_child(id: u64) -> Option<Kind> {
    Some(match id {
        0xA1 => Kind::Block,
        0x9B => Kind::Uint(Field::BlockDuration),
        0xFB => Kind::Binary(Field::ReferenceBlock),
        _ => return None,
    })
}

fn segment_child(id: u64) -> Option<Kind> {
    Some(match id {
        0x1F43_B675 => Kind::Master(Master::Cluster),
        0x1254_C367 => Kind::Master(Master::Tags),
        0x1654_AE6B => Kind::Master(Master::Tracks),
        0x1549_A966 => Kind::Master(Master::Info),
        _ => return None,
    })
}

fn info_child(id: u64) -> Option<Kind> {
    Some(match id {
        0x73A4 => Kind::Binary(Field::SegmentUuid),
        0x2A_D7B1 => Kind::Uint(Field::TimestampScale),
        0x4489 => Kind::Float(Field::Duration),
        0x4461 => Kind::Date(Field::DateUtc),
        0x7BA9 => Kind::Text(Field::Title),
        0x4D80 => Kind::Text(Field::MuxingApp),
        0x5741 => Kind::Text(Field::WritingApp),
        _ => return None,
    })
}

fn track_child(parent: Master, id: u64) -> Option<Kind> {
    Some(match (parent, id) {
        (Master::TrackEntry, 0xD7) => Kind::Uint(Field::TrackNumber),
        (Master::TrackEntry, 0x73C5) => Kind::Uint(Field::TrackUid),
        (Master::TrackEntry, 0x83) => Kind::Uint(Field::TrackType),
        (Master::TrackEntry, 0x536E) => Kind::Text(Field::Name),
        (Master::TrackEntry, 0x22_B59C) => Kind::Text(Field::Language),
        (Master::TrackEntry, 0x22_B59D) => Kind::Text(Field::LanguageBcp47),
        (Master::TrackEntry, 0x86) => Kind::Text(Field::CodecId),
        (Master::TrackEntry, 0x63A2) => Kind::Binary(Field::CodecPrivate),
        (Master::TrackEntry, 0x23_E383) => Kind::Uint(Field::DefaultDuration),
        (Master::TrackEntry, 0x56AA) => Kind::Uint(Field::CodecDelay),
        (Master::TrackEntry, 0xE0) => Kind::Master(Master::Video),
        (Master::TrackEntry, 0xE1) => Kind::Master(Master::Audio),
        (Master::TrackEntry, 0x6D80) => Kind::Master(Master::ContentEncodings),
        (Master::Audio, 0xB5) => Kind::Float(Field::SamplingFrequency),
        (Master::Audio, 0x78B5) => Kind::Float(Field::OutputSamplingFrequency),
        (Master::Audio, 0x9F) => Kind::Uint(Field::Channels),
        (Master::Audio, 0x6264) => Kind::Uint(Field::BitDepth),
        (Master::Video, 0xB0) => Kind::Uint(Field::PixelWidth),
        (Master::Video, 0xBA) => Kind::Uint(Field::PixelHeight),
        (Master::ContentEncodings, 0x6240) => Kind::Master(Master::ContentEncoding),
        (Master::ContentEncoding, 0x5031) => Kind::Uint(Field::ContentEncodingOrder),
        (Master::ContentEncoding, 0x5032) => Kind::Uint(Field::ContentEncodingScope),
        (Master::ContentEncoding, 0x5033) => Kind::Uint(Field::ContentEncodingType),
        (Master::ContentEncoding, 0x5034) => Kind::Master(Master::ContentCompression),
        (Master::ContentEncoding, 0x5035) => Kind::Master(Master::ContentEncryption),
        (Master::ContentCompression, 0x4254) => Kind::Uint(Field::ContentCompAlgo),
        (Master::ContentCompression, 0x4255) => Kind::Binary(Field::ContentCompSettings),
        _ => return None,
    })
}

fn tag_child(parent: Master, id: u64) -> Option<Kind> {
    Some(match (parent, id) {
        (Master::Tag, 0x63C0) => Kind::Master(Master::Targets),
        (Master::Tag | Master::SimpleTag, 0x67C8) => Kind::Master(Master::SimpleTag),
        (Master::Targets, 0x63C5) => Kind::Uint(Field::TagTrackUid),
        (Master::SimpleTag, 0x45A3) => Kind::Text(Field::TagName),
        (Master::SimpleTag, 0x4487) => Kind::Text(Field::TagString),
        (Master::SimpleTag, 0x4485) => Kind::Binary(Field::TagBinary),
        _ => return None,
    })
}

impl Master {
    /// Whether the specification lets this element have an unknown size (RFC 9559 section 5.1).
    pub(crate) fn may_be_unsized(self) -> bool {
        matches!(self, Self::Segment | Self::Cluster)
    }

    /// The element's name in the specification.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Segment => "Segment",
            Self::Info => "Info",
            Self::Tracks => "Tracks",
            Self::TrackEntry => "TrackEntry",
            Self::Audio => "Audio",
            Self::Video => "Video",
            Self::ContentEncodings => "ContentEncodings",
            Self::ContentEncoding => "ContentEncoding",
            Self::ContentCompression => "ContentCompression",
            Self::ContentEncryption => "ContentEncryption",
            Self::Cluster => "Cluster",
            Self::BlockGroup => "BlockGroup",
            Self::Tags => "Tags",
            Self::Tag => "Tag",
            Self::Targets => "Targets",
            Self::SimpleTag => "SimpleTag",
        }
    }
}

/// Appends the name of the element `id` to an error's path; an unknown one as its hexadecimal id.
pub(crate) fn push_name(path: &mut String, id: u64) {
    use std::fmt::Write as _;
    if !path.is_empty() {
        path.push('/');
    }
    match name(id) {
        Some(name) => path.push_str(name),
        // Writing to a String cannot fail.
        None => drop(write!(path, "0x{id:X}")),
    }
}

/// The specification's name of an element, for error paths.
fn name(id: u64) -> Option<&'static str> {
    Some(match id {
        EBML => "EBML",
        0x4286 => "EBMLVersion",
        EBML_READ_VERSION => "EBMLReadVersion",
        EBML_MAX_ID_LENGTH => "EBMLMaxIDLength",
        EBML_MAX_SIZE_LENGTH => "EBMLMaxSizeLength",
        DOC_TYPE => "DocType",
        0x4287 => "DocTypeVersion",
        0x4285 => "DocTypeReadVersion",
        VOID => "Void",
        CRC_32 => "CRC-32",
        SEGMENT => "Segment",
        0x114D_9B74 => "SeekHead",
        0x1549_A966 => "Info",
        0x1654_AE6B => "Tracks",
        0x1F43_B675 => "Cluster",
        0x1C53_BB6B => "Cues",
        0x1941_A469 => "Attachments",
        0x1043_A770 => "Chapters",
        0x1254_C367 => "Tags",
        _ => return inner_name(id),
    })
}

fn inner_name(id: u64) -> Option<&'static str> {
    Some(match id {
        0x73A4 => "SegmentUUID",
        0x2A_D7B1 => "TimestampScale",
        0x4489 => "Duration",
        0x4461 => "DateUTC",
        0x7BA9 => "Title",
        0x4D80 => "MuxingApp",
        0x5741 => "WritingApp",
        0xAE => "TrackEntry",
        0xD7 => "TrackNumber",
        0x73C5 => "TrackUID",
        0x83 => "TrackType",
        0x536E => "Name",
        0x22_B59C => "Language",
        0x22_B59D => "LanguageBCP47",
        0x86 => "CodecID",
        0x63A2 => "CodecPrivate",
        0x23_E383 => "DefaultDuration",
        0x56AA => "CodecDelay",
        0xE0 => "Video",
        0xE1 => "Audio",
        0xB5 => "SamplingFrequency",
        0x78B5 => "OutputSamplingFrequency",
        0x9F => "Channels",
        0x6264 => "BitDepth",
        0xB0 => "PixelWidth",
        0xBA => "PixelHeight",
        0x6D80 => "ContentEncodings",
        0x6240 => "ContentEncoding",
        0x5031 => "ContentEncodingOrder",
        0x5032 => "ContentEncodingScope",
        0x5033 => "ContentEncodingType",
        0x5034 => "ContentCompression",
        0x5035 => "ContentEncryption",
        0x4254 => "ContentCompAlgo",
        0x4255 => "ContentCompSettings",
        0xE7 => "Timestamp",
        0xA7 => "Position",
        0xAB => "PrevSize",
        0xA3 => "SimpleBlock",
        0xA0 => "BlockGroup",
        0xA1 => "Block",
        0x9B => "BlockDuration",
        0xFB => "ReferenceBlock",
        0x75A1 => "BlockAdditions",
        0x75A2 => "DiscardPadding",
        0xA4 => "CodecState",
        0x7373 => "Tag",
        0x63C0 => "Targets",
        0x63C5 => "TagTrackUID",
        0x67C8 => "SimpleTag",
        0x45A3 => "TagName",
        0x4487 => "TagString",
        0x4485 => "TagBinary",
        _ => return None,
    })
}
