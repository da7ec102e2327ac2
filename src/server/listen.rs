//! Listening sockets: TCP, one per address and worker, all on the same port; unix, one that all
//! workers share.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Type};

use crate::config::settings::ListenAddress;

use super::socket::{Socket, UNIX_PEER};

/// Connections the kernel holds for us before they are accepted.
const BACKLOG: i32 = 1024;
/// Who may connect to a unix socket: its owner and its group.
const MODE: u32 = 0o660;

/// A socket that listens, before a runtime has taken it over.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket that listens, on a runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Bound {
    /// To be called on the runtime that will accept.
    ///
    /// # Errors
    /// When the runtime cannot take the socket.
    pub(super) fn take_over(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(listener) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Self::Unix(listener) => Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }

    /// Where it listens: the address asked for, with its real port.
    pub(super) fn address(&self, asked: &ListenAddress) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(_) => Ok(asked.clone()),
        }
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), address))
            }
            Self::Unix(listener) => Ok((Socket::Unix(listener.accept().await?.0), UNIX_PEER)),
        }
    }
}

/// Opens `workers` listeners on one address. With port 0 all share the port the first one got.
///
/// # Errors
/// When the address is not ours, or somebody else listens there already.
pub(super) fn open(address: &ListenAddress, workers: usize) -> io::Result<Vec<Bound>> {
    match address {
        ListenAddress::Tcp(address) => Ok(open_tcp(*address, workers)?.into_iter().map(Bound::Tcp).collect()),
        ListenAddress::Unix(path) => {
            let first = open_unix(path)?;
            let others: io::Result<Vec<_>> = (1..workers).map(|_| first.try_clone()).collect();
            Ok(std::iter::once(first).chain(others?).map(Bound::Unix).collect())
        }
    }
}

/// The same for TCP alone.
pub(super) fn open_tcp(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        // Sharing the port with our own other threads must not mean sharing it with another
        // process of ours, which would take half of the requests without anyone noticing.
        drop(socket(address, false)?);
    }
    let first = socket(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(socket(address, true)?);
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn open_unix(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens nobody can have connected under the wider mode that the umask gave.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket that a process left behind; never one that somebody answers on, and never a file
/// of another kind.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

/// Removes the file of a unix socket when dropped, if it is still the one that was made.
#[derive(Debug)]
pub(super) struct Unlink {
    path: PathBuf,
    identity: Identity,
}

/// Inode and time of creation: inodes are used again.
type Identity = (u64, i64, i64);

impl Unlink {
    pub(super) fn new(address: &ListenAddress) -> Option<Self> {
        let ListenAddress::Unix(path) = address else {
            return None;
        };
        Some(Self { path: path.clone(), identity: identity(path)? })
    }
}

impl Drop for Unlink {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.identity) {
            // If it cannot be removed, the next start finds it stale and removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_strangers_do_not() {
        let listeners = open_tcp("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
        assert_eq!(open_tcp(address, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_unix_socket_is_for_its_group_and_goes_with_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gate.sock");
        let address = ListenAddress::Unix(path.clone());
        let listeners = open(&address, 2).unwrap();
        let unlink = Unlink::new(&address);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(open(&address, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // Left behind by a process that was killed: nobody answers.
        drop(listeners);
        // Keeps the old inode, so that the new one is another even within one tick of the clock.
        std::fs::hard_link(&path, directory.path().join("old")).unwrap();
        let again = open(&address, 1).unwrap();
        drop(unlink);
        assert!(path.exists(), "the file of another process is not ours to remove");
        drop(Unlink::new(&address));
        assert!(!path.exists());
        drop(again);
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(open(&address, 1).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
