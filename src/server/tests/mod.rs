//! The data plane from socket to socket: a real listener in front, scripted raw upstreams behind.

mod deadlines;
mod drain;
mod forwarding;
mod framing;
mod http2;
mod operations;
mod support;
mod tls;
mod websocket;
