//! Upgrades: only after the app's own 101, only `websocket`, only from the site's pages.

use super::support::{Client, OK, always, protected, public, upstream};

const ASK: &str = "GET /live HTTP/1.1\r\nhost: app.example.com\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";

async fn agrees(app: &mut Client) -> String {
    let head = app.head().await;
    app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await;
    head
}

#[tokio::test]
async fn bytes_pass_both_ways_after_the_101_and_half_a_close_is_half_a_close() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        heard.note(agrees(&mut app).await);
        app.until("ping").await;
        app.send("pong").await;
        heard.note(app.rest().await);
        app.send("goodbye").await;
    })
    .await;
    let front = public(address).await;
    let mut client = front.connect().await;
    client.send(format!("{ASK}\r\n")).await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket\r\n"), "{head}");
    client.send("ping").await;
    client.until("pong").await;
    client.send("last words").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
    assert_eq!(client.rest().await, "goodbye");
    let all = heard.all();
    assert!(
        all[0].contains("upgrade: websocket\r\n") && all[0].contains("sec-websocket-key"),
        "{}",
        all[0]
    );
    assert_eq!(all[1], "last words");
}

#[tokio::test]
async fn c05_nothing_reaches_the_upstream_as_a_tunnel_before_its_101() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        let head = app.head().await;
        // Refuses, and then counts what else comes.
        app.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            .await;
        heard.note(head);
        heard.note(app.rest().await);
    })
    .await;
    let front = public(address).await;
    let mut client = front.connect().await;
    client
        .send(format!("{ASK}\r\nGET /answer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
        .await;
    let answers = client.rest().await;
    assert!(answers.contains("\r\n\r\nok"), "{answers}");
    let all = heard.all();
    assert!(all.len() < 2 || all[1].is_empty(), "{all:?}");
    assert!(!all[0].contains("/answer"));
}

#[tokio::test]
async fn c09_other_upgrades_go_on_as_ordinary_requests() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    let h2c = "GET / HTTP/1.1\r\nhost: app.example.com\r\nconnection: upgrade, http2-settings, close\r\n\
               upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert!(front.exchange(h2c).await.ends_with("ok"));
    let head = heard.all().remove(0);
    assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
}

#[tokio::test]
async fn g09_a_foreign_page_opens_no_protected_websocket() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        heard.note(agrees(&mut app).await);
        app.rest().await;
    })
    .await;
    let front = protected(address).await;
    let answer = front.exchange(&format!("{ASK}origin: https://evil.example\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(heard.connections(), 0);
    let mut client = front.connect().await;
    client.send(format!("{ASK}origin: https://app.example.com\r\n\r\n")).await;
    assert!(client.head().await.starts_with("http/1.1 101 "));
}
