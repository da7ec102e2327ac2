//! `Via`: that a message came through here (RFC 9110 7.6.3), and what comes round again and again.
//!
//! The name is fixed and says nothing about the machine.

use http::Version;
use http::header::{Entry, HeaderMap, HeaderValue, VIA};

use super::error::{Fault, UpstreamError};

/// How often a request may have come through a stepgate already. A chain of a few is sensible; an
/// upstream that leads back here is not, and would go on until nothing is left.
const MOST_PASSES: usize = 5;

const NAME: &[u8] = b"stepgate";

/// Adds us to a request that came in this version.
///
/// # Errors
/// [`Fault::Loop`] when it has come through too often.
pub(super) fn add_to_request(headers: &mut HeaderMap, version: Version) -> Result<(), UpstreamError> {
    match headers.entry(VIA) {
        Entry::Vacant(place) => {
            place.insert(hop(version));
        }
        Entry::Occupied(mut fields) => {
            if fields.iter().flat_map(hops).filter(|hop| is_ours(hop)).count() >= MOST_PASSES {
                return Err(UpstreamError::unsent(Fault::Loop));
            }
            fields.append(hop(version));
        }
    }
    Ok(())
}

/// Adds us to a response that came in this version.
pub(super) fn add_to_response(headers: &mut HeaderMap, version: Version) {
    headers.append(VIA, hop(version));
}

fn hop(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2.0 stepgate",
        Version::HTTP_10 => "1.0 stepgate",
        _ => "1.1 stepgate",
    })
}

fn hops(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// `1.1 stepgate`, perhaps with a comment.
fn is_ours(hop: &[u8]) -> bool {
    hop.split(u8::is_ascii_whitespace).nth(1) == Some(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_come_after_those_before_us_and_a_loop_ends() {
        let mut headers = HeaderMap::new();
        headers.insert(VIA, HeaderValue::from_static("1.0 fred, 1.1 p.example.net (stepgate)"));
        for pass in 0..MOST_PASSES {
            let version = if pass == 0 {
                Version::HTTP_2
            } else {
                Version::HTTP_11
            };
            add_to_request(&mut headers, version).unwrap();
        }
        let hops: Vec<_> = headers.get_all(VIA).iter().collect();
        assert_eq!((hops.len(), hops[1].as_bytes()), (MOST_PASSES + 1, &b"2.0 stepgate"[..]));
        let fault = add_to_request(&mut headers, Version::HTTP_11).unwrap_err();
        assert_eq!((fault.fault, fault.status().as_u16()), (Fault::Loop, 508));
    }
}
