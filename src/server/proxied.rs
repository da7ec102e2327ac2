//! The PROXY protocol: a balancer says whose connection it passes on (versions 1 and 2).
//!
//! Only peers that are trusted are read from at all. Exactly the header is read and not a byte more,
//! so that what follows, TLS or HTTP, begins where it should.

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What both versions have at least.
const START: usize = 12;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, its end included.
const LONGEST_V1: usize = 107;
/// Longest header of version 2, extensions included.
const LONGEST_V2: usize = 4096;
/// Signature, command, family, length.
const FIXED_V2: usize = 16;

/// Reads the header. `None`: the connection is the balancer's own (`LOCAL`, `UNKNOWN`), or of a kind
/// that has no network address.
///
/// # Errors
/// When there is no header, or one that is malformed or too long. The connection is of no use then.
pub(super) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut start = [0; START];
    socket.read_exact(&mut start).await?;
    let announced = if start == V2_SIGNATURE {
        second(socket, &start).await?
    } else if start.starts_with(b"PROXY ") {
        first(socket, &start).await?
    } else {
        return Err(malformed("no PROXY header"));
    };
    match announced {
        // It is what stands for peers on unix sockets here; from a balancer it means nothing.
        Some(address) if address.ip().to_canonical().is_unspecified() => {
            Err(malformed("PROXY header without an address"))
        }
        other => Ok(other),
    }
}

async fn first(socket: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() >= LONGEST_V1 {
            return Err(malformed("PROXY header too long"));
        }
        line.push(socket.read_u8().await?);
    }
    let header = v1::Header::try_from(line.as_slice()).map_err(|_| malformed("PROXY header, version 1"))?;
    Ok(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
    })
}

async fn second(socket: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Option<SocketAddr>> {
    let mut header = start.to_vec();
    header.resize(FIXED_V2, 0);
    socket.read_exact(header.get_mut(START..).unwrap_or_default()).await?;
    let length = header.get(FIXED_V2 - 2..).and_then(|bytes| bytes.try_into().ok());
    let whole = FIXED_V2 + usize::from(u16::from_be_bytes(length.unwrap_or_default()));
    if whole > LONGEST_V2 {
        return Err(malformed("PROXY header too long"));
    }
    header.resize(whole, 0);
    socket.read_exact(header.get_mut(FIXED_V2..).unwrap_or_default()).await?;
    let header = v2::Header::try_from(header.as_slice()).map_err(|_| malformed("PROXY header, version 2"))?;
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    if header.protocol == v2::Protocol::Datagram {
        return Err(malformed("PROXY header of a datagram"));
    }
    Ok(match header.addresses {
        v2::Addresses::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
        v2::Addresses::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    })
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was announced, and what is left for whoever reads next.
    async fn heard(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        (read, rest.to_vec())
    }

    fn version2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = V2_SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        header.extend(body);
        header.extend(b"GET /");
        header
    }

    const V4: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 1, 187];

    #[tokio::test]
    async fn what_is_announced_is_heard_and_the_rest_is_left() {
        let mut v6 = [0; 36];
        v6[15] = 9;
        let with_extensions = [&V4[..], &[4, 0, 1, 42]].concat();
        let cases: [(Vec<u8>, Option<&str>); 9] = [
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 4660 443\r\nGET /".to_vec(), Some("203.0.113.9:4660")),
            (b"PROXY TCP6 2001:db8::9 ::1 1 2\r\nGET /".to_vec(), Some("[2001:db8::9]:1")),
            (b"PROXY UNKNOWN\r\nGET /".to_vec(), None),
            (b"PROXY UNKNOWN ff::1 ff::2 1 2\r\nGET /".to_vec(), None),
            (version2(1, 0x11, &V4), Some("203.0.113.9:4660")),
            (version2(1, 0x11, &with_extensions), Some("203.0.113.9:4660")),
            (version2(1, 0x21, &v6), Some("[::9]:0")),
            (version2(0, 0, &[]), None),
            (version2(0, 0x11, &V4), None),
        ];
        for (bytes, expected) in cases {
            let (announced, rest) = heard(&bytes).await;
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(announced.unwrap(), expected, "{}", String::from_utf8_lossy(&bytes));
            assert_eq!(rest, b"GET /", "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test]
    async fn what_is_no_header_or_too_long_is_refused() {
        let long_line = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        let cases: [Vec<u8>; 9] = [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 10.0.0.1 4660\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.999 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 0.0.0.0 10.0.0.1 1 2\r\n".to_vec(),
            long_line.into_bytes(),
            version2(1, 0x12, &V4),
            version2(1, 0x11, &V4[..4]),
            version2(2, 0x11, &V4),
            version2(1, 0x11, &[0; LONGEST_V2]),
        ];
        for bytes in cases {
            assert!(heard(&bytes).await.0.is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300), start in 0..3_usize) {
            let start: &[u8] = [&b""[..], b"PROXY TCP4 ", V2_SIGNATURE][start];
            let bytes = [start, &bytes].concat();
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let _ = heard(&bytes).await;
            });
        }
    }
}
