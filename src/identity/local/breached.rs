//! Passwords that everybody knows, looked up in a file of the operator's.
//!
//! Either the sorted SHA-1 list of Have I Been Pwned (`HASH:COUNT`, 40 GB and more), which is searched
//! where it lies and never loaded; or a plain list of words, of which a few bytes each are kept. Neither
//! password nor hash leaves the machine. A list that cannot be read says so: it is never taken for one
//! without the password.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// Bytes of a list of words.
const MOST_WORDS: u64 = 16 * 1024 * 1024;
/// Characters of a SHA-1 in hexadecimal digits.
const DIGITS: usize = 40;
/// Bytes that surely hold a whole line of a list of hashes.
const LINE: usize = 128;
/// Places at which a list of hashes is looked at when it is opened.
const PLACES: u64 = 64;

/// A list, opened and looked at.
#[derive(Debug)]
pub(super) enum Breached {
    Hashes { file: File, length: u64 },
    Words(Words),
}

/// Words by the beginnings of their hashes, sorted.
#[derive(Debug)]
pub(super) struct Words(Vec<u64>);

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadList {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "{path} is not sorted: the SHA-1 list \"ordered by hash\" is needed, one `HASH:COUNT` in each line"
    )]
    Unsorted { path: PathBuf },
    #[error("{path} is a list of NTLM hashes: the SHA-1 list is needed")]
    Ntlm { path: PathBuf },
    #[error("{path} is no text: unpack it first")]
    NoText { path: PathBuf },
    #[error("{path} has more than 16 MiB: only a sorted list of SHA-1 hashes may be larger")]
    TooLong { path: PathBuf },
}

impl Breached {
    /// Opens a list and finds out which kind it is by its first line.
    pub(super) fn open(path: &Path) -> Result<Self, BadList> {
        let unreadable = |error| BadList::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut begin = [0; LINE];
        let read = file.read_at(&mut begin, 0).map_err(unreadable)?;
        let begin = begin.get(..read).unwrap_or_default();
        let first = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let digits = hash_digits(first);
        if digits == 32 {
            return Err(BadList::Ntlm { path: path.to_owned() });
        }
        if digits != DIGITS {
            return Words::read(file, length, path).map(Self::Words);
        }
        let list = Self::Hashes { file, length };
        if list.is_sorted(length).map_err(unreadable)? {
            Ok(list)
        } else {
            Err(BadList::Unsorted { path: path.to_owned() })
        }
    }

    /// Whether the password is in it. Reads the disk some forty times for a list of a thousand million.
    pub(super) fn contains(&self, password: &str) -> io::Result<bool> {
        match self {
            Self::Words(words) => Ok(words.contains(password)),
            Self::Hashes { file, length } => {
                let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
                let wanted: String = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
                let mut digits = [0; DIGITS];
                digits.copy_from_slice(wanted.as_bytes().get(..DIGITS).unwrap_or(&[0; DIGITS]));
                find(file, *length, &digits)
            }
        }
    }

    /// Looks at places that lie evenly in the file; a list in another order shows at once.
    fn is_sorted(&self, length: u64) -> io::Result<bool> {
        let Self::Hashes { file, .. } = self else {
            return Ok(true);
        };
        let mut last = [0; DIGITS];
        for place in 0..PLACES {
            let Some((_, hash)) = line_from(file, length / PLACES * place, length)? else {
                continue;
            };
            if hash < last {
                return Ok(false);
            }
            last = hash;
        }
        Ok(true)
    }
}

/// Halves the file until the line is found, or there is none.
fn find(file: &File, length: u64, wanted: &[u8; DIGITS]) -> io::Result<bool> {
    // The line lies at or after `from` and begins before `to`.
    let (mut from, mut to) = (0, length);
    while from < to {
        let middle = from + (to - from) / 2;
        match line_from(file, middle, length)? {
            Some((at, hash)) if at < to && hash == *wanted => return Ok(true),
            Some((at, hash)) if at < to && hash < *wanted => from = at + 1,
            _ => to = middle,
        }
    }
    Ok(false)
}

/// The first line that begins at `at` or later: where, and its hash.
fn line_from(file: &File, at: u64, length: u64) -> io::Result<Option<(u64, [u8; DIGITS])>> {
    let before = at.saturating_sub(1);
    let mut bytes = [0; 2 * LINE];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = file.read_at(rest, before + u64::try_from(filled).unwrap_or(u64::MAX))?;
        if read == 0 {
            break;
        }
        filled += read;
    }
    let seen = bytes.get(..filled).unwrap_or_default();
    let skip = if at == 0 {
        0
    } else {
        match seen.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None => return none_or_broken(before, seen, length),
        }
    };
    let line = seen.get(skip..).unwrap_or_default();
    if line.is_empty() {
        return none_or_broken(before, seen, length);
    }
    let digits: Option<[u8; DIGITS]> = line.get(..DIGITS).and_then(|digits| digits.try_into().ok());
    match digits.filter(|_| hash_digits(line) == DIGITS) {
        Some(digits) => {
            let begins = before + u64::try_from(skip).unwrap_or(u64::MAX);
            Ok(Some((begins, digits.map(|digit| digit.to_ascii_uppercase()))))
        }
        None => Err(broken()),
    }
}

/// At the end of the file there is no further line; anywhere else it is not what it said it was.
fn none_or_broken<T>(before: u64, seen: &[u8], length: u64) -> io::Result<Option<T>> {
    let end = before + u64::try_from(seen.len()).unwrap_or(u64::MAX);
    if end >= length { Ok(None) } else { Err(broken()) }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a line is no hash")
}

/// How many hexadecimal digits a line begins with.
fn hash_digits(line: &[u8]) -> usize {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match line.get(digits) {
        None | Some(b':' | b'\r' | b'\n') => digits,
        Some(_) => 0,
    }
}

impl Words {
    fn read(file: File, length: u64, path: &Path) -> Result<Self, BadList> {
        if length > MOST_WORDS {
            return Err(BadList::TooLong { path: path.to_owned() });
        }
        let mut words = Vec::new();
        for line in BufReader::new(file.take(MOST_WORDS)).lines() {
            match line {
                Ok(line) if line.contains('\0') => return Err(BadList::NoText { path: path.to_owned() }),
                Ok(line) => words.push(line),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(BadList::NoText { path: path.to_owned() });
                }
                Err(error) => return Err(BadList::Unreadable { path: path.to_owned(), error }),
            }
        }
        Ok(Self::of(words.iter().map(String::as_str)))
    }

    /// Upper and lower case are one; empty words and those after `#` at a line's begin with a space say
    /// nothing.
    pub(super) fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut hashes: Vec<u64> = words
            .map(|word| word.trim_end_matches('\r'))
            .filter(|word| !word.is_empty() && !word.starts_with("# "))
            .map(short)
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    pub(super) fn contains(&self, word: &str) -> bool {
        self.0.binary_search(&short(word)).is_ok()
    }
}

/// Of ten million words, one in a million million passwords is refused by mistake.
fn short(word: &str) -> u64 {
    let hash = digest(&SHA256, word.to_lowercase().as_bytes());
    let begin = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sha1(word: &str) -> String {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, word.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn hashes(words: &[String], end: &str) -> String {
        let mut lines: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(count, word)| format!("{}:{}", sha1(word), count * 7919))
            .collect();
        lines.sort();
        lines.iter().map(|line| format!("{line}{end}")).collect()
    }

    #[test]
    fn every_line_of_a_sorted_list_is_found_and_nothing_else() {
        let words: Vec<String> = (0..2000).map(|n| format!("word{n}")).collect();
        for end in ["\r\n", "\n"] {
            let text = hashes(&words, end);
            for text in [text.clone(), text.trim_end().to_owned(), text.to_lowercase()] {
                let file = file(&text);
                let list = Breached::open(file.path()).unwrap();
                assert!(matches!(list, Breached::Hashes { .. }));
                for word in &words {
                    assert!(list.contains(word).unwrap(), "{word}");
                }
                for n in 0..2000 {
                    assert!(!list.contains(&format!("other{n}")).unwrap());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn lists_of_any_length_are_searched_to_their_ends(count in 1_usize..40, asked in 0_usize..80) {
            let words: Vec<String> = (0..count).map(|n| format!("w{n}")).collect();
            let file = file(&hashes(&words, "\r\n"));
            let list = Breached::open(file.path()).unwrap();
            prop_assert_eq!(list.contains(&format!("w{asked}")).unwrap(), asked < count);
        }
    }

    #[test]
    fn a_list_of_words_knows_no_case() {
        let file = file("# a comment\r\nCorrectHorse\r\n\nletmein99\n");
        let list = Breached::open(file.path()).unwrap();
        for (word, known) in [
            ("correcthorse", true),
            ("LETMEIN99", true),
            ("letmein98", false),
            ("", false),
        ] {
            assert_eq!(list.contains(word).unwrap(), known, "{word}");
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused_when_it_is_opened() {
        let words: Vec<String> = (0..500).map(|n| format!("word{n}")).collect();
        let by_count: String = words.iter().map(|word| format!("{}:9\n", sha1(word))).collect();
        assert!(matches!(Breached::open(file(&by_count).path()), Err(BadList::Unsorted { .. })));
        let ntlm = file("0123456789ABCDEF0123456789ABCDEF:12\n");
        assert!(matches!(Breached::open(ntlm.path()), Err(BadList::Ntlm { .. })));
        let packed = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(packed.path(), [0x1f, 0x8b, 0, 0, 0xff, 0xfe]).unwrap();
        assert!(matches!(Breached::open(packed.path()), Err(BadList::NoText { .. })));
        let missing = Path::new("/nonexistent/list");
        assert!(matches!(Breached::open(missing), Err(BadList::Unreadable { .. })));
        let long = tempfile::NamedTempFile::new().unwrap();
        long.as_file().set_len(MOST_WORDS + 1).unwrap();
        assert!(matches!(Breached::open(long.path()), Err(BadList::TooLong { .. })));
    }

    #[test]
    fn a_list_that_breaks_is_no_list_without_the_password() {
        let words: Vec<String> = (0..500).map(|n| format!("word{n}")).collect();
        let file = file(&hashes(&words, "\n"));
        let list = Breached::open(file.path()).unwrap();
        std::fs::write(file.path(), "garbage".repeat(5000)).unwrap();
        assert!(list.contains("word1").is_err());
    }
}
