//! The vocabulary: token numbers to text, and which tokens may not be said.
//!
//! A `.tiktoken` file lists the byte strings with their ranks; the special tokens follow behind them in the
//! order of `whisper/tokenizer.py`. It must never know sound.

use std::collections::{BTreeSet, HashMap};

/// Languages in the order of their tokens (`LANGUAGES` of `whisper/tokenizer.py`).
const LANGUAGES: [&str; 100] = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it", "id",
    "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur", "hr", "bg",
    "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn", "et", "mk", "br",
    "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si", "km", "sn", "yo", "so",
    "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt",
    "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
];

/// Bracket and symbol tokens that begin annotations rather than speech (`non_speech_tokens` of
/// `whisper/tokenizer.py`).
const SYMBOLS: &str = "\" # ( ) * + / : ; < = > @ [ \\ ] ^ _ ` { | } ~ 「 」 『 』 \
    << >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪";
const MUSIC: &str = "♩ ♪ ♫ ♬ ♭ ♮ ♯";

/// The tokens of one model.
#[derive(Debug)]
pub(crate) struct Tokens {
    bytes: Vec<Vec<u8>>,
    /// The tokens that open the decoder's text: start, language, task, no timestamps.
    pub(crate) prompt: Vec<u32>,
    pub(crate) end: u32,
    pub(crate) no_speech: u32,
    /// Never said.
    pub(crate) suppressed: BTreeSet<u32>,
    /// Additionally not said first.
    pub(crate) not_first: Vec<u32>,
}

impl Tokens {
    /// Reads a vocabulary for a model with `size` tokens that is to speak `language`.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub(crate) fn new(tiktoken: &str, size: usize, language: &str) -> Result<Self, String> {
        let ranks = parse(tiktoken)?;
        let base = u32::try_from(ranks.len()).map_err(|_| "the vocabulary is too large".to_owned())?;
        let languages = size
            .checked_sub(ranks.len() + 1 + 1 + 6 + 1501)
            .filter(|n| (99..=LANGUAGES.len()).contains(n))
            .ok_or_else(|| format!("a model of {size} tokens does not fit a vocabulary of {base}"))?;
        let multilingual = size >= 51_865;
        let start = base + 1;
        let behind = start + 1 + u32::try_from(languages).unwrap_or(0);
        let [translate, transcribe, start_lm, start_prev, no_speech, no_timestamps] =
            [0, 1, 2, 3, 4, 5].map(|i| behind + i);
        let mut prompt = vec![start];
        if multilingual {
            let index = LANGUAGES[..languages].iter().position(|l| *l == language).ok_or_else(|| {
                format!(
                    "the model does not know the language {language:?}; it knows {}",
                    LANGUAGES.join(", ")
                )
            })?;
            prompt.extend([start + 1 + u32::try_from(index).unwrap_or(0), transcribe]);
        } else if language != "en" {
            return Err(format!(
                "the model understands English only, not {language:?}; use a multilingual model"
            ));
        }
        prompt.push(no_timestamps);

        let mut suppressed = non_speech(&ranks);
        suppressed.extend([start, translate, transcribe, start_lm, start_prev, no_speech, no_timestamps]);
        // Languages and timestamps are specials too: text is all that is wanted.
        suppressed.extend(start + 1..behind);
        suppressed.extend(no_timestamps + 1..u32::try_from(size).unwrap_or(u32::MAX));
        let mut not_first = encode(&ranks, b" ");
        not_first.push(base);
        let mut bytes = vec![Vec::new(); ranks.len()];
        for (token, rank) in ranks {
            if let Some(slot) = bytes.get_mut(rank as usize) {
                *slot = token;
            }
        }
        Ok(Self { bytes, prompt, end: base, no_speech, suppressed, not_first })
    }

    /// Whether `size` tokens mean a multilingual model.
    pub(crate) const fn is_multilingual(size: usize) -> bool {
        size >= 51_865
    }

    /// The bytes of a text token; empty for special ones.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// Languages a model of `size` tokens understands.
    pub(crate) fn languages(size: usize) -> Vec<String> {
        let count =
            if Self::is_multilingual(size) { size.saturating_sub(51_766).min(LANGUAGES.len()) } else { 1 };
        LANGUAGES[..count].iter().map(|l| (*l).to_owned()).collect()
    }
}

fn parse(tiktoken: &str) -> Result<HashMap<Vec<u8>, u32>, String> {
    let mut ranks = HashMap::new();
    for (number, line) in tiktoken.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let entry = line.split_once(' ').and_then(|(token, rank)| Some((base64(token)?, rank.parse().ok()?)));
        let (token, rank) =
            entry.ok_or_else(|| format!("line {} of the vocabulary is not valid", number + 1))?;
        ranks.insert(token, rank);
    }
    Ok(ranks)
}

/// Standard base64 (RFC 4648 section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    Some(bytes)
}

/// Byte-pair encoding of one piece: the pair of lowest rank is merged until none is left.
fn encode(ranks: &HashMap<Vec<u8>, u32>, piece: &[u8]) -> Vec<u32> {
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|b| vec![*b]).collect();
    loop {
        let best = parts
            .windows(2)
            .enumerate()
            .filter_map(|(i, pair)| ranks.get(&pair.concat()).map(|rank| (*rank, i)))
            .min();
        let Some((_, at)) = best else { break };
        let right = parts.remove(at + 1);
        parts[at].extend(right);
    }
    parts.iter().filter_map(|part| ranks.get(part).copied()).collect()
}

/// Tokens that begin annotations such as `[MUSIC]`, derived from the vocabulary.
fn non_speech(ranks: &HashMap<Vec<u8>, u32>) -> BTreeSet<u32> {
    let mut result = BTreeSet::new();
    for mark in [" -", " '"] {
        result.extend(encode(ranks, mark.as_bytes()).first());
    }
    for (symbols, always) in [(SYMBOLS, false), (MUSIC, true)] {
        for symbol in symbols.split(' ').filter(|s| !s.is_empty()) {
            for piece in [symbol.to_owned(), format!(" {symbol}")] {
                let tokens = encode(ranks, piece.as_bytes());
                if tokens.len() == 1 || always {
                    result.extend(tokens.first());
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_reads_the_rfcs_examples() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base64("/+8="), Some(vec![0xFF, 0xEF]));
        assert_eq!(base64("a b"), None);
    }

    #[test]
    fn the_lowest_ranked_pair_is_merged_first() {
        let ranks: HashMap<Vec<u8>, u32> = [("a", 0), ("b", 1), ("c", 2), ("bc", 3), ("ab", 4), ("abc", 5)]
            .map(|(t, r)| (t.as_bytes().to_vec(), r))
            .into();
        assert_eq!(encode(&ranks, b"abc"), [5]);
        assert_eq!(encode(&ranks, b"abca"), [5, 0]);
        assert_eq!(encode(&ranks, b"abb"), [4, 1]);
    }

    #[test]
    fn a_broken_vocabulary_is_refused_with_its_line() {
        let error = Tokens::new("IQ== 0\nIg==\n", 51_864, "en").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        let error = Tokens::new("IQ== 0\n", 51_864, "en").unwrap_err();
        assert!(error.contains("does not fit"), "{error}");
    }
}
