//! A client that sends exactly the bytes it is told to.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;
use super::http::{Reply, read_reply};

/// One connection.
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the listener accepts"))
    }

    /// From one of loopback's 16 million addresses.
    ///
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    pub fn connect_from(from: std::net::Ipv4Addr, address: SocketAddr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("a loopback address");
        socket.connect(&address.into()).expect("the listener accepts");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("a socket option can be set");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes; `self` again, for chains. A peer that has closed already is no failure here: what it
    /// answered is judged by whoever reads.
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let _ = self.try_send(bytes);
        self
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// The next answer on this connection, to a request with this method.
    pub fn reply_to(&mut self, method: &str) -> io::Result<Reply> {
        read_reply(&mut self.stream, method)
    }

    /// The next answer, to anything but HEAD.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        self.reply_to("GET").expect("an answer")
    }

    /// Everything until the peer closes or resets, or `patience` ends; and whether it closed.
    pub fn rest(&mut self, patience: Duration) -> (Vec<u8>, bool) {
        self.stream
            .get_ref()
            .set_read_timeout(Some(patience))
            .expect("a timeout can be set");
        let mut all = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (all, true),
                Ok(n) => all.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return (all, true),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return (all, false);
                }
                Err(e) => panic!("reading: {e}"),
            }
        }
    }

    /// Whether the peer closes within `patience`.
    pub fn closes_within(&mut self, patience: Duration) -> bool {
        self.rest(patience).1
    }

    /// Exactly `n` bytes.
    pub fn read_exact(&mut self, n: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// No more will be sent; the other direction stays open.
    pub fn finish_sending(&self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}
