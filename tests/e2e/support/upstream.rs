//! An upstream that records the exact bytes it gets and answers with the exact bytes it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Request line and fields, byte for byte, with the final empty line.
    pub head: Vec<u8>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Recorded {
    /// `GET /path HTTP/1.1`.
    pub fn line(&self) -> String {
        String::from_utf8_lossy(self.head.split(|&b| b == b'\r').next().unwrap_or_default()).into_owned()
    }

    pub fn method(&self) -> String {
        self.line().split(' ').next().unwrap_or_default().to_owned()
    }

    /// The request target exactly as it came.
    pub fn target(&self) -> String {
        self.line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Fields in order, names as sent.
    pub fn headers(&self) -> Vec<(String, String)> {
        String::from_utf8_lossy(&self.head)
            .split("\r\n")
            .skip(1)
            .filter_map(|field| field.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// Every value of a header, compared without regard to case only.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers()
            .into_iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// Every value whose name some back end would take for `name`: letters and digits alike, the rest folded.
    pub fn twins(&self, name: &str) -> Vec<String> {
        let fold = |n: &str| -> String {
            n.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_lowercase()
                    } else {
                        '-'
                    }
                })
                .collect()
        };
        self.headers()
            .into_iter()
            .filter(|(n, _)| fold(n) == fold(name))
            .map(|(_, v)| v)
            .collect()
    }
}

/// What to do after a request: go on reading on this connection, or close it.
pub type KeepOpen = bool;
type Script = dyn Fn(&Recorded, &mut TcpStream) -> io::Result<KeepOpen> + Send + Sync;

/// A plain 200 with this body.
pub fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A listening peer; ends with the test.
pub struct Upstream {
    address: SocketAddr,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    closing: Arc<AtomicBool>,
}

impl Upstream {
    /// Answers everything with 200 and the word `upstream`.
    pub fn start() -> Self {
        Self::answering(|_| ok("upstream"))
    }

    /// Answers with the bytes that `answer` makes, on connections kept open.
    pub fn answering(answer: impl Fn(&Recorded) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::scripted(move |request, stream| {
            stream.write_all(&answer(request))?;
            Ok(true)
        })
    }

    /// Does whatever `script` does with the socket once a request has been read.
    pub fn scripted(
        script: impl Fn(&Recorded, &mut TcpStream) -> io::Result<KeepOpen> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let upstream = Self {
            address: listener.local_addr().expect("bound"),
            recorded: Arc::default(),
            closing: Arc::default(),
        };
        let (recorded, closing) = (upstream.recorded.clone(), upstream.closing.clone());
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closing.load(Ordering::SeqCst) {
                    break;
                }
                let (recorded, script) = (recorded.clone(), script.clone());
                std::thread::spawn(move || serve(stream, &recorded, &*script));
            }
        });
        upstream
    }

    /// `http://127.0.0.1:PORT`, for a route.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything recorded so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().clone()
    }

    /// The newest request.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn last(&self) -> Recorded {
        self.lock().last().cloned().expect("a request reached the upstream")
    }

    /// Forgets what was recorded and returns it.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.recorded.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, recorded: &Mutex<Vec<Recorded>>, script: &Script) {
    let _ = stream.set_nodelay(true);
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = read_request(&mut reader) {
        recorded
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(request.clone());
        if !script(&request, &mut writer).unwrap_or(false) {
            break;
        }
    }
    let _ = writer.shutdown(std::net::Shutdown::Both);
}

fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Recorded>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        reader.read_until(b'\n', &mut head)?;
        if head.len() == before {
            return Ok(None);
        }
        if head.ends_with(b"\r\n\r\n") || &head[before..] == b"\r\n" {
            break;
        }
    }
    let mut request = Recorded { head, body: Vec::new() };
    if request.header("transfer-encoding").is_some() {
        request.body = read_chunked(reader)?;
    } else if let Some(length) = request.header("content-length").and_then(|v| v.parse().ok()) {
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

fn read_chunked(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = super::http::line(reader)?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
            .map_err(|_| io::Error::other("chunk size"))?;
        if size == 0 {
            super::http::fields(reader)?;
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        super::http::line(reader)?;
    }
}
