//! Where messages end up in tests: a mail server and an SMS gateway that take everything and keep it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::wait_until;

/// What came, as text, in the order it came.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Vec<String>>>);

impl Inbox {
    /// An SMTP server on this machine, in plain text; returns its port.
    pub fn mail() -> (Self, u16) {
        Self::listen(|inbox, stream| {
            let _ = inbox.speak_smtp(stream);
        })
    }

    /// An HTTP service that accepts every message posted to it; returns its port.
    pub fn gateway() -> (Self, u16) {
        Self::listen(|inbox, stream| {
            let _ = inbox.speak_http(stream);
        })
    }

    fn listen(speak: fn(&Self, TcpStream)) -> (Self, u16) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let inbox = Self::default();
        let own = inbox.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || speak(&own, stream));
            }
        });
        (inbox, port)
    }

    /// RFC 5321, as much of it as a client without extensions needs.
    fn speak_smtp(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        stream.write_all(b"220 inbox\r\n")?;
        while let Some(line) = lines.next().transpose()? {
            let answer: &[u8] = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    let mut message = String::new();
                    for line in lines.by_ref() {
                        let line = line?;
                        if line == "." {
                            break;
                        }
                        message.push_str(&line);
                        message.push('\n');
                    }
                    self.0.lock().expect("no poison").push(message);
                    b"250 kept\r\n"
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n")?;
                    return Ok(());
                }
                _ => b"250 fine\r\n",
            };
            stream.write_all(answer)?;
        }
        Ok(())
    }

    fn speak_http(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let (mut length, mut line) = (0, String::new());
            loop {
                line.clear();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            self.0
                .lock()
                .expect("no poison")
                .push(String::from_utf8_lossy(&body).into_owned());
            stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            )?;
        }
    }

    /// Everything that came so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("no poison").clone()
    }

    /// The code of the newest message, once there are more than `before`.
    #[track_caller]
    pub fn code_after(&self, before: usize) -> String {
        // A notice may come after it.
        wait_until("a message with a code", || {
            self.all().get(before..)?.iter().rev().find_map(|one| code_in(one))
        })
    }
}

/// The first run of exactly six to eight digits that stands alone.
fn code_in(message: &str) -> Option<String> {
    // Subjects and dates have shorter runs; ids longer ones.
    let body = message.split_once("\n\n").map_or(message, |(_, body)| body);
    body.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| (6..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned)
}
