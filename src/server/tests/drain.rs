//! The end: what is in flight finishes, what is new goes elsewhere, nothing waits for ever.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::support::{OK, PATIENCE, always, get, public, tuned, upstream};

#[tokio::test]
async fn r15_requests_in_flight_finish_and_their_connections_close() {
    let (go, gone) = oneshot::channel();
    let gone = std::sync::Mutex::new(Some(gone));
    let (address, _) = upstream(move |mut app, _, _| {
        let gone = gone.lock().unwrap().take();
        async move {
            app.head().await;
            gone.unwrap().await.unwrap();
            app.send(OK).await;
        }
    })
    .await;
    let front = public(address).await;
    let mut idle = front.connect().await;
    idle.send("GET /answer HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.until("no").await;
    let mut busy = front.connect().await;
    busy.send("GET / HTTP/1.1\r\nhost: app.example.com\r\n\r\n").await;
    front.shutdown.ask();
    assert_eq!(idle.rest().await, "", "an idle connection ends at once");
    let refused = async {
        while TcpStream::connect(front.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("nobody listens any more");
    go.send(()).unwrap();
    let answer = busy.rest().await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("ok"), "{answer}");
    timeout(PATIENCE, front.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn r15_what_does_not_end_is_ended_at_the_deadline() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await;
        app.rest().await;
    })
    .await;
    let front = tuned(address, |settings| settings.server.drain = Duration::from_millis(500)).await;
    let mut client = front.connect().await;
    client
        .send("GET / HTTP/1.1\r\nhost: app.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await;
    client.head().await;
    let start = Instant::now();
    front.shutdown.ask();
    timeout(PATIENCE, front.served).await.unwrap().unwrap().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(500), "a WebSocket is waited for");
    assert_eq!(client.rest().await, "\u{fffd}\u{2}\u{3}\u{fffd}", "1001, and no answer came");
}

#[tokio::test]
async fn r15_asked_twice_it_ends_now() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.rest().await;
    })
    .await;
    let front = tuned(address, |settings| settings.server.drain = Duration::from_hours(1)).await;
    let mut client = front.connect().await;
    client.send(get("/")).await;
    // In flight for certain once the answer to another request on the same worker is there.
    front.exchange(&get("/answer")).await;
    front.shutdown.ask();
    front.shutdown.ask();
    timeout(PATIENCE, front.served).await.unwrap().unwrap().unwrap();
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_at_start() {
    let (address, _) = always(OK).await;
    let mut settings = crate::policy::tests_support::settings(vec![]);
    settings.server.listen = vec![super::support::plain(address)];
    let error = crate::server::Plane::bind(&settings).err().unwrap();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
