//! The demo's legacy app: an intranet of 2006 that knows nothing of second factors.
//!
//! It believes whoever sends `Remote-User`, keeps a cookie of its own, answers posts with redirects, and never
//! learns that a gate stands before it. It listens on loopback and must never be more than a demonstration.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::pages;

/// Connections served at once; a demo needs no more.
const CONNECTIONS: usize = 64;
/// Longest form.
const FORM_BYTES: usize = 16 * 1024;
/// Transfers kept; older ones are forgotten.
const KEPT: usize = 20;
/// The app's own session cookie, as such apps have one.
const SESSION: &str = "INTRANETSESSION";

type Answer = Response<Full<Bytes>>;

/// What the intranet remembers.
#[derive(Default)]
pub(super) struct Books {
    pub(super) transfers: Vec<Transfer>,
}

/// One transfer, as typed.
#[derive(Clone)]
pub(super) struct Transfer {
    pub(super) to: String,
    pub(super) amount: String,
    pub(super) by: String,
}

/// The running app.
pub(super) struct App {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl App {
    /// Starts it on a free loopback port.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept(listener)) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener) {
    let books: Arc<Mutex<Books>> = Arc::default();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let books = books.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let books = books.clone();
                async move { Ok::<_, Infallible>(answer(request, &books).await) }
            });
            // A client that leaves is none of the demo's concern.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

async fn answer(request: Request<Incoming>, books: &Mutex<Books>) -> Answer {
    let (parts, body) = request.into_parts();
    let who = header(&parts.headers, "remote-user");
    let mut reply = match (&parts.method, parts.uri.path()) {
        (&Method::GET | &Method::HEAD, "/") => page(pages::home(who)),
        (&Method::GET, "/index.asp") => redirect(StatusCode::MOVED_PERMANENTLY, "/"),
        (&Method::GET | &Method::HEAD, "/account") => {
            page(pages::account(who, parts.uri.query(), &read(books)))
        }
        (&Method::GET | &Method::HEAD, "/admin" | "/admin/") => {
            page(pages::admin(who, &parts.headers, &read(books)))
        }
        (&Method::POST, "/transfer") => transfer(who, body, books).await,
        (_, "/transfer") => redirect(StatusCode::FOUND, "/account"),
        _ => with_status(page(pages::missing()), StatusCode::NOT_FOUND),
    };
    if !header(&parts.headers, COOKIE.as_str()).contains(SESSION) {
        let cookie = format!("{SESSION}={}; Path=/; HttpOnly", crate::ambient::random_token());
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            reply.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    reply
}

#[expect(clippy::disallowed_methods, reason = "the body is limited right here")]
async fn transfer(who: &str, body: Incoming, books: &Mutex<Books>) -> Answer {
    let Ok(body) = Limited::new(body, FORM_BYTES).collect().await else {
        return with_status(page(pages::missing()), StatusCode::PAYLOAD_TOO_LARGE);
    };
    let mut transfer = Transfer { to: String::new(), amount: String::new(), by: who.to_owned() };
    for (name, value) in form_urlencoded::parse(&body.to_bytes()) {
        match &*name {
            "to" => transfer.to = value.chars().take(60).collect(),
            "amount" => transfer.amount = value.chars().take(20).collect(),
            _ => {}
        }
    }
    let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
    books.transfers.push(transfer);
    let surplus = books.transfers.len().saturating_sub(KEPT);
    books.transfers.drain(..surplus);
    redirect(StatusCode::FOUND, "/account?done=1")
}

fn read(books: &Mutex<Books>) -> Vec<Transfer> {
    books.lock().unwrap_or_else(PoisonError::into_inner).transfers.clone()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn page(html: String) -> Answer {
    let mut reply = Response::new(Full::new(Bytes::from(html)));
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    reply
}

fn redirect(status: StatusCode, to: &'static str) -> Answer {
    let mut reply = with_status(page(String::new()), status);
    reply.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    reply
}

fn with_status(mut reply: Answer, status: StatusCode) -> Answer {
    *reply.status_mut() = status;
    reply
}
