//! Words that must not be shown as they are: masked, removed or tagged.
//!
//! Entries are whole words or phrases, one a line, matched in any case and whatever punctuation stands
//! around them. It must never know where the words came from.

use std::collections::HashMap;

use crate::recogniser::Word;

/// What is done to a word that is in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `***` stands in its place; punctuation around it stays.
    Mask,
    /// It is left out.
    Remove,
    /// It stays, with [`Word::vocabulary_filter_match`] set.
    Tag,
}

/// A list of words and phrases with what is done to them.
#[derive(Clone, PartialEq, Eq)]
pub struct VocabularyFilter {
    /// First word to the phrases that begin with it, the longest first.
    phrases: HashMap<String, Vec<Vec<String>>>,
    method: Method,
}

impl VocabularyFilter {
    /// Reads a list: one word or phrase a line; blank lines and entries without a letter or digit are
    /// ignored.
    #[must_use]
    pub fn parse(text: &str, method: Method) -> Self {
        let mut phrases: HashMap<String, Vec<Vec<String>>> = HashMap::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let phrase: Vec<String> = line.split_whitespace().map(bare).filter(|w| !w.is_empty()).collect();
            if let Some(first) = phrase.first() {
                phrases.entry(first.clone()).or_default().push(phrase);
            }
        }
        for list in phrases.values_mut() {
            list.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
        }
        Self { phrases, method }
    }

    /// The words with the list applied. A phrase matches across words; at each word the longest wins.
    #[must_use]
    pub fn apply(&self, mut words: Vec<Word>) -> Vec<Word> {
        let bare: Vec<String> = words.iter().map(|w| bare(&w.text)).collect();
        let mut matched = vec![false; words.len()];
        let mut at = 0;
        while at < words.len() {
            let length = self.match_at(&bare[at..]);
            matched[at..at + length].fill(true);
            at += length.max(1);
        }
        for (word, matched) in words.iter_mut().zip(&matched) {
            if *matched {
                word.vocabulary_filter_match = true;
                if self.method == Method::Mask {
                    word.text = mask(&word.text);
                }
            }
        }
        if self.method == Method::Remove {
            words.retain(|word| !word.vocabulary_filter_match);
        }
        words
    }

    /// Words of the longest phrase that begins here; words without a letter or digit inside are passed over.
    fn match_at(&self, bare: &[String]) -> usize {
        let Some(list) = bare.first().and_then(|first| self.phrases.get(first)) else { return 0 };
        list.iter().find_map(|phrase| prefix(phrase, bare)).unwrap_or(0)
    }
}

/// How many of the words the phrase takes, where they begin with it.
fn prefix(phrase: &[String], words: &[String]) -> Option<usize> {
    let mut taken = 0;
    for part in phrase {
        while words.get(taken).is_some_and(String::is_empty) {
            taken += 1;
        }
        if words.get(taken)? != part {
            return None;
        }
        taken += 1;
    }
    Some(taken)
}

/// The word in lower case without the punctuation around it, and with one kind of apostrophe.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).replace('’', "'").to_lowercase()
}

fn mask(word: &str) -> String {
    let outside = |c: char| !c.is_alphanumeric();
    let front = word.len() - word.trim_start_matches(outside).len();
    let back = word.trim_end_matches(outside).len();
    if front >= back { "***".to_owned() } else { format!("{}***{}", &word[..front], &word[back..]) }
}

impl std::fmt::Debug for VocabularyFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "VocabularyFilter {{ entries: {}, {:?} }}",
            self.phrases.values().map(Vec::len).sum::<usize>(),
            self.method
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    const LIST: &str = "darn\r\n\n  \nAcme Corp\nacme corp limited\nO'Brien\n---\n";

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|w| Word::new(w, Span::ZERO, Span::ZERO)).collect()
    }

    fn text(words: &[Word]) -> String {
        words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn whole_words_are_masked_in_any_case_and_punctuation_stays() {
        let filter = VocabularyFilter::parse(LIST, Method::Mask);
        let masked = filter.apply(words("Darn, \"DARN!\" the darned thing, said o’brien."));
        assert_eq!(text(&masked), "***, \"***!\" the darned thing, said ***.");
        assert!(masked[0].vocabulary_filter_match && !masked[2].vocabulary_filter_match);
    }

    #[test]
    fn phrases_match_across_words_and_the_longest_wins() {
        let filter = VocabularyFilter::parse(LIST, Method::Remove);
        assert_eq!(text(&filter.apply(words("I work at Acme, Corp. Limited now"))), "I work at now");
        assert_eq!(text(&filter.apply(words("Acme builds; acme - corp does not"))), "Acme builds; does not");
        assert_eq!(text(&filter.apply(words("we are Acme"))), "we are Acme");
    }

    #[test]
    fn tags_leave_the_text() {
        let filter = VocabularyFilter::parse(LIST, Method::Tag);
        let tagged = filter.apply(words("darn it"));
        assert_eq!(text(&tagged), "darn it");
        assert_eq!(tagged.iter().map(|w| w.vocabulary_filter_match).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn an_empty_list_changes_nothing() {
        let filter = VocabularyFilter::parse("\n \n", Method::Remove);
        assert_eq!(text(&filter.apply(words("as it was"))), "as it was");
        assert!(filter.apply(Vec::new()).is_empty());
    }
}
