//! `stepgate health`: asks the operations listener, for probes where there is no shell and no client.
//!
//! Reads the configuration for the address and sends one request to it; it opens no store.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::files::Files;

/// Longest that each step of asking may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks for health.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub files: Files,

    /// Whether the process lives at all, instead of whether it is ready
    #[arg(long)]
    pub live: bool,

    /// Ask this address instead of the configuration's `server.operations`
    #[arg(long, value_name = "ADDRESS")]
    pub at: Option<SocketAddr>,
}

/// Exit code 0 when the answer is yes, 1 when not or when nobody answers, 78 for a configuration that
/// is refused.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let address = match args.at.map_or_else(|| configured(&args.files), Ok) {
        Ok(address) => address,
        Err(code) => return code,
    };
    let path = if args.live { "/livez" } else { "/readyz" };
    match ask(here(address), path) {
        Ok(answer) => {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let _ = io::stdout().write_all(body.as_bytes());
            let well = head.split(' ').nth(1) == Some("200");
            if well {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The operations listener of a configuration, or how to end without one.
fn configured(files: &Files) -> Result<SocketAddr, ExitCode> {
    files.load()?.server.operations.ok_or_else(|| {
        let _ = writeln!(io::stderr(), "server.operations is off: there is nobody to ask");
        ExitCode::FAILURE
    })
}

/// Where an address that is listened on can be reached from this machine.
fn here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The whole answer, of which no more than 64 KiB is read.
fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_this_machine() {
        assert_eq!(here(([0, 0, 0, 0], 9090).into()), SocketAddr::from(([127, 0, 0, 1], 9090)));
        assert_eq!(here("[::]:9090".parse().unwrap()).to_string(), "[::1]:9090");
        assert_eq!(here(([10, 0, 0, 7], 1).into()), SocketAddr::from(([10, 0, 0, 7], 1)));
    }
}
