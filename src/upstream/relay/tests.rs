//! Half a close, silence, and how leave is taken.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn one_direction_may_end_before_the_other() {
    let (mut client, client_end) = duplex(8);
    let (mut app, app_end) = duplex(8);
    tokio::spawn(relay(client_end, app_end, IDLE, std::future::pending()));
    let mut heard = String::new();
    let ask = async {
        client.write_all(b"question, longer than the pipe").await.unwrap();
        client.shutdown().await.unwrap();
    };
    let ((), read) = tokio::join!(ask, app.read_to_string(&mut heard));
    read.unwrap();
    assert_eq!(heard, "question, longer than the pipe");
    app.write_all(b"answer").await.unwrap();
    drop(app);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_it() {
    let (mut client, client_end) = duplex(8);
    let (_app, app_end) = duplex(8);
    let start = Instant::now();
    relay(client_end, app_end, Duration::from_mins(1), std::future::pending()).await;
    assert!(start.elapsed() >= Duration::from_mins(1));
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

/// A tunnel between two pipes that must end when told.
fn tunnel() -> (DuplexStream, DuplexStream, oneshot::Sender<Farewell>) {
    let (client, client_end) = duplex(1 << 16);
    let (app, app_end) = duplex(1 << 16);
    let (end, ended) = oneshot::channel();
    let must_end = async move {
        match ended.await {
            Ok(farewell) => farewell,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::spawn(relay(client_end, app_end, IDLE, must_end));
    (client, app, end)
}

const STALE: Farewell = Farewell { code: 3000, text: "old" };
const GOODBYE: [u8; 7] = [0x88, 5, 0x0b, 0xb8, b'o', b'l', b'd'];

async fn hears(end: &mut DuplexStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    end.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn leave_is_taken_at_the_end_of_the_frame_that_has_begun() {
    let (mut client, mut app, end) = tunnel();
    app.write_all(&[0x82, 4, 1, 2]).await.unwrap();
    hears(&mut client, &[0x82, 4, 1, 2]).await;
    end.send(STALE).unwrap();
    // The app hears at once: nothing of the client is begun. Masked, as from any client.
    let mut close = [0; 8];
    app.read_exact(&mut close).await.unwrap();
    let code = [close[6] ^ close[2], close[7] ^ close[3]];
    assert_eq!((&close[..2], u16::from_be_bytes(code)), (&[0x88, 0x82][..], 1001));
    // The rest of the frame passes, the next frame does not.
    app.write_all(&[3, 4, 0x82, 1, 9]).await.unwrap();
    hears(&mut client, &[3, 4]).await;
    hears(&mut client, &GOODBYE).await;
    client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x0b, 0xb8]).await.unwrap();
    app.write_all(&[0x88, 2, 3, 0xe9]).await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "both have answered");
    assert_eq!(app.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn who_has_taken_leave_already_hears_nothing_more() {
    let (mut client, mut app, end) = tunnel();
    app.write_all(&[0x88, 2, 3, 0xe8]).await.unwrap();
    hears(&mut client, &[0x88, 2, 3, 0xe8]).await;
    end.send(STALE).unwrap();
    app.read_exact(&mut [0; 8]).await.unwrap();
    client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_cut_off() {
    let (mut client, _app, end) = tunnel();
    let start = Instant::now();
    end.send(STALE).unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, GOODBYE);
    assert!(start.elapsed() >= LEAVE_WITHIN);
}
