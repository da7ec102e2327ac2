//! One field of a `multipart/form-data` login (RFC 7578), read more strictly than any app reads it.
//!
//! Only what browsers send is understood: parts between boundaries on lines of their own, one
//! `Content-Disposition` with a quoted name each. Whatever else is in it, the name is not known.

use memchr::memmem;

use super::Said;
use super::form::{Field, Only};

/// Longer boundaries are not allowed (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The field's one value.
pub(super) fn said(field: &Field, boundary: &str, body: &[u8], query: Option<&str>) -> Said {
    read(field, boundary, body, query).map_or(Said::Unclear, |only| only.said(<[u8]>::to_vec))
}

fn read<'a>(field: &Field, boundary: &str, body: &'a [u8], query: Option<&str>) -> Option<Only<'a>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    if boundary.is_empty()
        || boundary.len() > LONGEST_BOUNDARY
        || !boundary.bytes().all(fits)
        || field.is_in_query(query)
    {
        return None;
    }
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(delimiter.get(2..)?.as_bytes())?;
    let mut only = Only::default();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = memmem::find(part, delimiter.as_bytes())?;
        let (name, content) = named(part.get(..end)?)?;
        if field.resembles(name) {
            only.take(field.is(name), content);
        }
        only.fields += 1;
        rest = part.get(end + delimiter.len()..)?;
    }
    matches!(rest, b"--" | b"--\r\n").then_some(only)
}

/// The name of a part, and what is in it.
fn named(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memmem::find(part, b"\r\n\r\n")?;
    let (head, content) = (part.get(..end)?, part.get(end + 4..)?);
    let mut name = None;
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        let (header, value) = (line.get(..colon)?, line.get(colon + 1..)?.trim_ascii());
        match header.to_ascii_lowercase().as_slice() {
            b"content-disposition" if name.is_none() => name = Some(disposition(value)?),
            b"content-type" => {}
            // Another one of the same, a transfer encoding, a folded line.
            _ => return None,
        }
    }
    Some((name?, content))
}

/// The name in `form-data; name="…"`, with or without a file's.
fn disposition(value: &[u8]) -> Option<&[u8]> {
    let after = value.strip_prefix(b"form-data; name=\"")?;
    let end = memchr::memchr(b'"', after)?;
    let (name, rest) = (after.get(..end)?, after.get(end + 1..)?);
    let plain = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'\\' | b'%' | 0..=31));
    let is_file = || {
        let file = rest.strip_prefix(b"; filename=\"").and_then(|rest| rest.strip_suffix(b"\""));
        file.is_some_and(|file| !file.contains(&b'"') && plain(file))
    };
    (plain(name) && (rest.is_empty() || is_file())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(body: &str) -> Said {
        said(&Field::new("user"), "----b", body.replace('\n', "\r\n").as_bytes(), None)
    }

    fn part(name: &str, content: &str) -> String {
        format!("------b\nContent-Disposition: form-data; name=\"{name}\"\n\n{content}\n")
    }

    #[test]
    fn what_browsers_send() {
        let file = "------b\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\nContent-Type: text/plain\n\nuser\n";
        let body = part("user", "anna") + &part("password", "x") + file + "------b--\n";
        assert_eq!(user(&body), Said::Name("anna".to_owned()));
        assert_eq!(user(&(part("password", "x") + "------b--\n")), Said::Nothing);
    }

    #[test]
    fn anything_else_names_nobody() {
        let anna = part("user", "anna");
        for bad in [
            anna.clone() + &part("user", "bob") + "------b--\n",
            anna.clone() + &part("USER", "bob") + "------b--\n",
            anna.clone() + &part("user[]", "bob") + "------b--\n",
            anna.clone(),
            anna.clone() + "------b--\nmore",
            "preamble\n".to_owned() + &anna + "------b--\n",
            anna.replace("form-data; name=\"user\"", "form-data; name=\"user\"; name=\"x\"") + "------b--\n",
            anna.replace("form-data; name=\"user\"", "form-data; name=user") + "------b--\n",
            anna.replace("name=\"user\"", "name=\"user\"\nContent-Transfer-Encoding: base64") + "------b--\n",
            anna.replace("name=\"user\"", "name=\"user\"\nContent-Disposition: form-data; name=\"x\"")
                + "------b--\n",
            anna.replace("name=\"user\"", "name=\"us%65r\"") + "------b--\n",
        ] {
            assert_eq!(user(&bad), Said::Unclear, "{bad}");
        }
        assert_eq!(said(&Field::new("user"), "", b"", None), Said::Unclear);
    }
}
