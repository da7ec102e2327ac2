//! A new connection: name, socket, TLS, and the version of HTTP that both sides speak.
//!
//! Deadlines are the caller's. Nothing of a request is known here, so nothing of it can be sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::settings::Protocol;

use super::channel::Channel;
use super::error::{Fault, UpstreamError};
use super::link::Link;
use super::names::Name;
use super::origin::{Reach, Target};
use super::socket::{Meter, Socket, Stream};
use super::tls;

/// How long an address may keep us waiting before the next is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// What was opened.
pub(super) enum Fresh {
    Http1(Box<Link>),
    Http2(Arc<Channel>),
}

/// Connects to an address. With `http1` for an upgrade, which only HTTP/1.1 has.
pub(super) async fn dial(target: &Target, http1: bool) -> Result<Fresh, UpstreamError> {
    let (stream, http2) = match (&target.reach, &target.tls) {
        (Reach::Unix(path), _) => {
            let stream = UnixStream::connect(path)
                .await
                .map_err(|_| UpstreamError::unsent(Fault::Unreachable))?;
            (Stream::Unix(stream), target.protocol == Protocol::Http2)
        }
        (Reach::Tcp(name), None) => (Stream::Tcp(tcp(name).await?), target.protocol == Protocol::Http2),
        (Reach::Tcp(name), Some((tls, host))) => {
            let stream = tls.handshake(host, tcp(name).await?, http1).await.map_err(|error| {
                let (fault, advice) = tls::diagnose(&error);
                tracing::warn!(upstream = target.name, %error, advice, "TLS with the upstream has failed");
                fault
            })?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            (Stream::Tls(Box::new(stream)), http2)
        }
    };
    let meter = Arc::new(Meter::default());
    let socket = Socket::new(stream, Arc::clone(&meter));
    if http2 && !http1 {
        return Ok(Fresh::Http2(Channel::open(socket).await?));
    }
    Ok(Fresh::Http1(Box::new(Link::open(socket, meter))))
}

async fn tcp(name: &Name) -> Result<TcpStream, UpstreamError> {
    let addresses = name.addresses().await?;
    let Some(stream) = first(&addresses).await else {
        name.doubt();
        return Err(UpstreamError::unsent(Fault::Unreachable));
    };
    stream
        .set_nodelay(true)
        .map_err(|_| UpstreamError::unsent(Fault::Unreachable))?;
    Ok(stream)
}

/// The first that connects. The next is tried when one fails, or beside one that takes its time.
async fn first(addresses: &[SocketAddr]) -> Option<TcpStream> {
    if let [only] = addresses {
        return TcpStream::connect(only).await.ok();
    }
    let mut rest = addresses.iter().copied();
    let mut under_way = JoinSet::new();
    loop {
        if let Some(address) = rest.next() {
            under_way.spawn(TcpStream::connect(address));
        } else if under_way.is_empty() {
            return None;
        }
        tokio::select! {
            connected = under_way.join_next() => {
                if let Some(Ok(Ok(stream))) = connected {
                    return Some(stream);
                }
            }
            () = sleep(STAGGER), if rest.len() > 0 => {}
        }
    }
}
