//! Words as they are counted for a word error rate: lower case, no punctuation, numbers as words.
//!
//! Numbers are read as people say them on the telephone: amounts and ordinals in words, long numbers digit by
//! digit. The room knows nothing of who wrote the text.

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// Digits from which on a number is read digit by digit.
const LONG: usize = 5;

/// The words of a text.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().flat_map(token).collect()
}

/// The words of what stands between two spaces.
fn token(token: &str) -> Vec<String> {
    let bare = token.trim_matches(|c: char| !c.is_alphanumeric() && !"$%".contains(c));
    if let Some(amount) = bare.strip_prefix('$').and_then(dollars) {
        return amount;
    }
    if bare.contains('-') && bare.chars().all(|c| c.is_ascii_digit() || c == '-') {
        // Groups of digits are one long number: a card, an order, a telephone.
        return digits(bare);
    }
    bare.split('-').flat_map(part).collect()
}

fn part(part: &str) -> Vec<String> {
    let grouped = part.replace(',', "");
    if let Ok(number) = grouped.parse::<u64>() {
        return if part.len() >= LONG && part == grouped || part.len() > 1 && part.starts_with('0') {
            digits(part)
        } else {
            cardinal(number)
        };
    }
    if let Some(number) = part.strip_suffix('%').and_then(|n| n.parse().ok()) {
        return [cardinal(number), vec!["percent".to_owned()]].concat();
    }
    if let Some((whole, decimals)) = part.split_once('.')
        && let Ok(number) = whole.parse()
        && decimals.chars().all(|c| c.is_ascii_digit())
    {
        return [cardinal(number), vec!["point".to_owned()], digits(decimals)].concat();
    }
    if let Some(number) = ordinal_number(part) {
        return ordinal(number);
    }
    let word: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
    if word.is_empty() { Vec::new() } else { vec![word] }
}

fn digits(text: &str) -> Vec<String> {
    text.chars().filter_map(|c| c.to_digit(10)).map(|d| SMALL[d as usize].to_owned()).collect()
}

/// `84.50`: eighty four dollars and fifty cents.
fn dollars(amount: &str) -> Option<Vec<String>> {
    let amount = amount.replace(',', "");
    let (whole, cents) = amount.split_once('.').unwrap_or((&amount, "0"));
    let (whole, cents): (u64, u64) = (whole.parse().ok()?, cents.parse().ok()?);
    let unit = |n: u64, one: &str| if n == 1 { one.to_owned() } else { format!("{one}s") };
    let mut said = cardinal(whole);
    said.push(unit(whole, "dollar"));
    if cents > 0 {
        said.push("and".to_owned());
        said.extend(cardinal(cents));
        said.push(unit(cents, "cent"));
    }
    Some(said)
}

fn cardinal(number: u64) -> Vec<String> {
    for (unit, name) in [(1_000_000, "million"), (1000, "thousand"), (100, "hundred")] {
        if number >= unit {
            let mut said = cardinal(number / unit);
            said.push(name.to_owned());
            if !number.is_multiple_of(unit) {
                said.extend(cardinal(number % unit));
            }
            return said;
        }
    }
    let n = usize::try_from(number).unwrap();
    match n {
        0..20 => vec![SMALL[n].to_owned()],
        _ if n.is_multiple_of(10) => vec![TENS[n / 10].to_owned()],
        _ => vec![TENS[n / 10].to_owned(), SMALL[n % 10].to_owned()],
    }
}

/// `3rd`: 3.
fn ordinal_number(text: &str) -> Option<u64> {
    ["st", "nd", "rd", "th"].iter().find_map(|ending| text.strip_suffix(ending)?.parse().ok())
}

fn ordinal(number: u64) -> Vec<String> {
    let mut said = cardinal(number);
    let last = said.pop().unwrap();
    said.push(match last.as_str() {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    });
    said
}

/// Insertions, deletions and substitutions that turn one text into the other.
pub(crate) fn errors(reference: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[heard.len()]
}
