//! OpenAI's own Whisper checkpoints, read into candle's graph.
//!
//! A checkpoint is a zip archive with a pickled dictionary: `dims` (the sizes) and `model_state_dict` (the
//! tensors). Any size works; a file that is something else gets an error that says so. It must never know
//! where the file came from: the model store has judged that.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::pickle::{Object, PthTensors, Stack};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::whisper::Config;
use candle_transformers::models::whisper::model::Whisper;

/// The pickle of a checkpoint is some 20 kB; a larger one is not a Whisper model.
const MAX_PICKLE_BYTES: u64 = 16 << 20;

/// The sizes of a model (`ModelDimensions` of `whisper/model.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dims {
    pub(crate) mels: usize,
    pub(crate) audio_context: usize,
    pub(crate) audio_state: usize,
    pub(crate) audio_heads: usize,
    pub(crate) audio_layers: usize,
    pub(crate) vocabulary: usize,
    pub(crate) text_context: usize,
    pub(crate) text_heads: usize,
    pub(crate) text_layers: usize,
}

/// Reads the checkpoint at `path`.
///
/// # Errors
/// A sentence saying what is wrong with the file.
pub(crate) fn load(path: &Path) -> Result<(Whisper, Dims), String> {
    let not_whisper =
        |reason: String| format!("{} is not an OpenAI Whisper checkpoint: {reason}", path.display());
    check_archive(path)?;
    let tensors = PthTensors::new(path, Some("model_state_dict")).map_err(|e| not_whisper(e.to_string()))?;
    let inferred = infer_dims(&tensors).map_err(not_whisper)?;
    let dims = read_dims(path).unwrap_or(inferred);
    if dims.vocabulary != inferred.vocabulary || dims.audio_state != inferred.audio_state {
        return Err(not_whisper("its stated sizes contradict its tensors".to_owned()));
    }
    let mut named = HashMap::new();
    for name in tensors.tensor_infos().keys() {
        let tensor = tensors
            .get(name)
            .and_then(|t| t.map(|t| t.to_dtype(DType::F32)?.contiguous()).transpose())
            .map_err(|e| not_whisper(format!("tensor {name}: {e}")))?;
        if let Some(tensor) = tensor {
            named.insert(rename(name), tensor);
        }
    }
    let model = build(named, dims).map_err(|e| not_whisper(e.to_string()))?;
    Ok((model, dims))
}

fn build(tensors: HashMap<String, Tensor>, dims: Dims) -> candle_core::Result<Whisper> {
    let config = Config {
        num_mel_bins: dims.mels,
        max_source_positions: dims.audio_context,
        d_model: dims.audio_state,
        encoder_attention_heads: dims.audio_heads,
        encoder_layers: dims.audio_layers,
        vocab_size: dims.vocabulary,
        max_target_positions: dims.text_context,
        decoder_attention_heads: dims.text_heads,
        decoder_layers: dims.text_layers,
        suppress_tokens: Vec::new(),
    };
    Whisper::load(&VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), config)
}

/// OpenAI's tensor name in the spelling candle's graph asks for.
fn rename(name: &str) -> String {
    let name = match name {
        "encoder.ln_post.weight" => return "model.encoder.layer_norm.weight".to_owned(),
        "encoder.ln_post.bias" => return "model.encoder.layer_norm.bias".to_owned(),
        "decoder.ln.weight" => return "model.decoder.layer_norm.weight".to_owned(),
        "decoder.ln.bias" => return "model.decoder.layer_norm.bias".to_owned(),
        "decoder.positional_embedding" => return "model.decoder.embed_positions.weight".to_owned(),
        "encoder.positional_embedding" => return "model.encoder.embed_positions.weight".to_owned(),
        other => other.replace("mlp.0.", "fc1.").replace("mlp.2.", "fc2."),
    };
    let parts: Vec<&str> = name
        .split('.')
        .map(|part| match part {
            "blocks" => "layers",
            "attn" => "self_attn",
            "attn_ln" => "self_attn_layer_norm",
            "cross_attn" => "encoder_attn",
            "cross_attn_ln" => "encoder_attn_layer_norm",
            "mlp_ln" => "final_layer_norm",
            "query" => "q_proj",
            "key" => "k_proj",
            "value" => "v_proj",
            "out" => "out_proj",
            "token_embedding" => "embed_tokens",
            other => other,
        })
        .collect();
    format!("model.{}", parts.join("."))
}

/// Checks that the file is a zip archive with a small pickle, before anything believes its sizes.
fn check_archive(path: &Path) -> Result<(), String> {
    let file = std::fs::File::open(path)
        .map_err(|e| format!("cannot read the model {}: {e}; check the path", path.display()))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|_| {
        format!(
            "{} is not an OpenAI Whisper checkpoint (a .pt file as published by OpenAI): it is no zip archive",
            path.display()
        )
    })?;
    let pickle = pickle_name(&archive).ok_or_else(|| {
        format!("{} is not an OpenAI Whisper checkpoint: it holds no data.pkl", path.display())
    })?;
    let size = archive.by_name(&pickle).map(|entry| entry.size()).unwrap_or(u64::MAX);
    if size > MAX_PICKLE_BYTES {
        return Err(format!(
            "{} is not an OpenAI Whisper checkpoint: its data.pkl is too large",
            path.display()
        ));
    }
    Ok(())
}

fn pickle_name<R: Read + std::io::Seek>(archive: &zip::ZipArchive<R>) -> Option<String> {
    archive
        .file_names()
        .filter_map(Result::ok)
        .map(std::borrow::Cow::into_owned)
        .find(|name| name.ends_with("/data.pkl") || name == "data.pkl")
}

/// The `dims` dictionary, where the pickle has one that can be read.
fn read_dims(path: &Path) -> Option<Dims> {
    let mut archive = zip::ZipArchive::new(BufReader::new(std::fs::File::open(path).ok()?)).ok()?;
    let pickle = pickle_name(&archive)?;
    let mut reader = BufReader::new(archive.by_name(&pickle).ok()?);
    let mut stack = Stack::empty();
    stack.read_loop(&mut reader).ok()?;
    let root = stack.finalize().ok()?.dict().ok()?;
    let dims = root.into_iter().find(|(key, _)| *key == Object::Unicode("dims".to_owned()))?.1.dict().ok()?;
    let sizes: HashMap<String, usize> = dims
        .into_iter()
        .filter_map(|(key, value)| {
            Some((key.unicode().ok()?, usize::try_from(value.int_or_long().ok()?).ok()?))
        })
        .collect();
    let size = |name: &str| sizes.get(name).copied().filter(|n| *n > 0);
    Some(Dims {
        mels: size("n_mels")?,
        audio_context: size("n_audio_ctx")?,
        audio_state: size("n_audio_state")?,
        audio_heads: size("n_audio_head")?,
        audio_layers: size("n_audio_layer")?,
        vocabulary: size("n_vocab")?,
        text_context: size("n_text_ctx")?,
        text_heads: size("n_text_head")?,
        text_layers: size("n_text_layer")?,
    })
}

/// The sizes as the tensors' shapes tell them. Every published Whisper has heads of 64.
fn infer_dims(tensors: &PthTensors) -> Result<Dims, String> {
    const HEAD: usize = 64;
    let shape = |name: &str| -> Result<Vec<usize>, String> {
        let info = tensors.tensor_infos().get(name).ok_or_else(|| format!("it has no tensor {name}"))?;
        Ok(info.layout.dims().to_vec())
    };
    let at = |name: &str, axis: usize| -> Result<usize, String> {
        shape(name)?
            .get(axis)
            .copied()
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("tensor {name} has an odd shape"))
    };
    let layers = |side: &str| {
        (0..)
            .take_while(|i| {
                tensors.tensor_infos().contains_key(&format!("{side}.blocks.{i}.attn.query.weight"))
            })
            .count()
    };
    let audio_state = at("encoder.conv1.weight", 0)?;
    let text_state = at("decoder.token_embedding.weight", 1)?;
    if audio_state % HEAD != 0 || text_state % HEAD != 0 {
        return Err(format!("its width {audio_state} is none of Whisper's"));
    }
    Ok(Dims {
        mels: at("encoder.conv1.weight", 1)?,
        audio_context: at("encoder.positional_embedding", 0)?,
        audio_state,
        audio_heads: audio_state / HEAD,
        audio_layers: layers("encoder"),
        vocabulary: at("decoder.token_embedding.weight", 0)?,
        text_context: at("decoder.positional_embedding", 0)?,
        text_heads: text_state / HEAD,
        text_layers: layers("decoder"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_candles() {
        for (theirs, ours) in [
            ("encoder.blocks.3.attn.query.weight", "model.encoder.layers.3.self_attn.q_proj.weight"),
            ("decoder.blocks.0.cross_attn.out.bias", "model.decoder.layers.0.encoder_attn.out_proj.bias"),
            ("decoder.blocks.0.cross_attn_ln.bias", "model.decoder.layers.0.encoder_attn_layer_norm.bias"),
            ("encoder.blocks.1.mlp.2.weight", "model.encoder.layers.1.fc2.weight"),
            ("decoder.token_embedding.weight", "model.decoder.embed_tokens.weight"),
        ] {
            assert_eq!(rename(theirs), ours);
        }
    }

    #[test]
    fn a_file_that_is_no_checkpoint_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.pt");
        std::fs::write(&path, b"hello").unwrap();
        let error = load(&path).err().unwrap();
        assert!(error.contains("notes.pt is not an OpenAI Whisper checkpoint"), "{error}");
        let error = load(&dir.path().join("none.pt")).err().unwrap();
        assert!(error.contains("none.pt") && error.contains("check the path"), "{error}");
    }
}
