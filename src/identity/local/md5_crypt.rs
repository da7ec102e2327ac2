//! crypt(3)'s MD5 in its two spellings, `$1$` and Apache's `$apr1$`: a thousand rounds of MD5, long
//! broken, and what htpasswd writes unless it is asked for something better. Only to compare with.

use md5::{Digest as _, Md5};

const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The 22 characters that end such a hash.
pub(super) fn hash(password: &[u8], salt: &[u8], magic: &[u8]) -> String {
    let both: [u8; 16] = Md5::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize()
        .into();
    let mut first = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for part in password.chunks(16) {
        first.update(both.get(..part.len()).unwrap_or(&both));
    }
    let mut bits = password.len();
    while bits > 0 {
        first.update(if bits & 1 == 1 {
            &[0]
        } else {
            password.get(..1).unwrap_or_default()
        });
        bits >>= 1;
    }
    let mut last: [u8; 16] = first.finalize().into();
    for round in 0..1000 {
        last = again(round, password, salt, &last);
    }
    digits(&last)
}

fn again(round: u32, password: &[u8], salt: &[u8], last: &[u8; 16]) -> [u8; 16] {
    let (begin, end): (&[u8], &[u8]) = if round % 2 == 1 {
        (password, last)
    } else {
        (last, password)
    };
    let mut next = Md5::new().chain_update(begin);
    if !round.is_multiple_of(3) {
        next.update(salt);
    }
    if !round.is_multiple_of(7) {
        next.update(password);
    }
    next.chain_update(end).finalize().into()
}

/// Its own order of bytes and digits.
fn digits(bytes: &[u8; 16]) -> String {
    const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let at = |index: usize| bytes.get(index).copied().map_or(0, u32::from);
    let mut out = String::with_capacity(22);
    for [high, middle, low] in GROUPS {
        push(&mut out, at(high) << 16 | at(middle) << 8 | at(low), 4);
    }
    push(&mut out, at(11), 2);
    out
}

fn push(out: &mut String, mut bits: u32, digits: u32) {
    for _ in 0..digits {
        let digit = usize::try_from(bits & 63).ok().and_then(|at| DIGITS.get(at));
        out.extend(digit.map(|digit| char::from(*digit)));
        bits >>= 6;
    }
}
