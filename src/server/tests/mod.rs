//! The data plane from socket to socket: a real listener in front, scripted raw upstreams behind.

#![expect(clippy::disallowed_methods, reason = "a test's own messages are bounded")]

mod deadlines;
mod drain;
mod forwarding;
mod framing;
mod http2;
mod http2_upstreams;
mod operations;
mod support;
mod tls;
mod upstreams;
mod websocket;
