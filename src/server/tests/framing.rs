//! Where one message ends and the next begins: security.md 1.3.

use super::support::{OK, always, get, public, tuned, upstream};

const HEAD: &str = "POST /form HTTP/1.1\r\nhost: app.example.com\r\n";

#[tokio::test]
async fn c01_both_framings_pass_as_chunked_alone() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        heard.note(app.head().await);
        heard.note(app.until("0\r\n\r\n").await);
        app.send(OK).await;
    })
    .await;
    let both = format!(
        "{HEAD}content-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    );
    let answer = public(address).await.exchange(&both).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    for head in heard.all().iter().step_by(2) {
        assert!(
            !head.contains("content-length") && head.contains("transfer-encoding: chunked\r\n"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn c01_c02_c03_c04_what_is_ambiguous_or_broken_is_refused_and_ends_the_connection() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    for broken in [
        "content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "content-length: +1\r\n\r\na",
        "content-length: 1,1\r\n\r\na",
        "content-length: -1\r\n\r\n",
        "content-length: 0x1\r\n\r\na",
        "content-length: \r\n\r\n",
        "transfer-encoding: identity\r\n\r\n",
        "transfer-encoding: chunked, identity\r\n\r\n",
        "transfer-encoding: xchunked\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        ": empty\r\n\r\n",
        "x-nul: a\0b\r\n\r\n",
        " folded: 1\r\n\r\n",
    ] {
        let answer = front.exchange(&format!("{HEAD}{broken}")).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{broken:?}: {answer}");
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{broken:?}: {answer}");
    }
    assert_eq!(heard.all(), Vec::<String>::new());
}

#[tokio::test]
async fn c03_broken_chunks_never_look_complete_to_the_upstream() {
    for chunks in [
        "2\nhi\n0\n\n",
        "g\r\nhi\r\n0\r\n\r\n",
        "2\r\nhiX\r\n0\r\n\r\n",
        "-2\r\nhi\r\n0\r\n\r\n",
    ] {
        let (address, heard) = upstream(|mut app, _, heard| async move {
            heard.note(app.rest().await);
        })
        .await;
        let front = public(address).await;
        let answer = front
            .exchange(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunks}"))
            .await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{chunks:?}: {answer}");
        assert!(heard.all().iter().all(|bytes| !bytes.ends_with("0\r\n\r\n")), "{chunks:?}");
    }
}

#[tokio::test]
async fn c06_what_is_left_of_an_unread_body_is_never_a_request() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    let smuggled = get("/smuggled");
    for length in [smuggled.len(), 100_000] {
        let mut client = front.connect().await;
        client
            .send(format!("POST /answer HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{smuggled}"))
            .await;
        client.until("no").await;
        if length == smuggled.len() {
            // Read away whole: the connection goes on, with the next request.
            client.send(get("/answer")).await;
            assert!(client.rest().await.ends_with("no"));
        }
    }
    let waits = "POST /answer HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    let answer = front.exchange(waits).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    assert_eq!(heard.connections(), 0);
}

#[tokio::test]
async fn c07_a_request_without_a_length_has_no_body() {
    let (address, heard) = always(OK).await;
    let request = "POST / HTTP/1.0\r\nhost: app.example.com\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    public(address).await.exchange(request).await;
    assert_eq!(heard.all().len(), 1);
    assert!(!heard.all()[0].contains("transfer-encoding"));
}

#[tokio::test]
async fn d08_headers_have_bounds() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(33 * 1024));
    assert!(front.exchange(&long).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x-many: 1\r\n".repeat(120));
    assert!(front.exchange(&many).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(heard.connections(), 0);
}

#[tokio::test]
async fn r18_bodies_have_bounds_whether_they_say_their_length_or_not() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        heard.note(app.rest().await);
    })
    .await;
    let front = tuned(address, |settings| settings.server.max_body = Some(8)).await;
    let answer = front.exchange(&format!("{HEAD}content-length: 9\r\n\r\n123456789")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(heard.connections(), 0);
    let chunks = "5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n";
    let answer = front
        .exchange(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunks}"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(heard.all().iter().all(|bytes| !bytes.ends_with("0\r\n\r\n")));
}
