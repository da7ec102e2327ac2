//! What passes, what does not, and which connection carries it.

use super::support::{OK, always, get, protected, public, tuned, upstream};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn b01_b03_b05_the_upstream_hears_only_what_we_say() {
    let (address, heard) = always(OK).await;
    let front = protected(address).await;
    let answer = front
        .exchange(
            "GET /a?b=c HTTP/1.1\r\nHost: app.example.com:8443\r\nRemote-User: root\r\nREMOTE_USER: root\r\n\
             X-Forwarded-For: 10.0.0.1\r\nX-Original-URL: /admin\r\nConnection: close, remote-user, X-Hop\r\n\
             X-Hop: 1\r\nTE: trailers\r\nStepgate-Code: totp:123456\r\nExpect: 100-continue\r\n\
             Cookie: theme=dark; __Host-stepgate=secret\r\nX-Kept: yes\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let request = heard.all().remove(0);
    let mut lines: Vec<_> = request.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /a?b=c HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "connection: te",
            "cookie: theme=dark",
            "host: app.example.com:8443",
            "remote-user: anna",
            "te: trailers",
            "via: 1.1 stepgate",
            "x-forwarded-for: 203.0.113.9",
            "x-forwarded-host: app.example.com:8443",
            "x-forwarded-proto: https",
            "x-kept: yes",
        ]
    );
}

#[tokio::test]
async fn g08_g10_a_protected_answer_is_private_and_plants_no_cookie_of_ours() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: stepgate-id=forged\r\n\
                  set-cookie: sid=1\r\nkeep-alive: timeout=9\r\ncache-control: public, max-age=9\r\n\r\n";
    let (address, _) = always(answer).await;
    let head = protected(address).await.exchange(&get("/")).await;
    assert!(head.contains("cache-control: private, max-age=9\r\n"), "{head}");
    assert!(head.contains("set-cookie: sid=1\r\n") && !head.contains("forged"), "{head}");
    assert!(!head.contains("keep-alive"), "{head}");
    let head = public(address).await.exchange(&get("/")).await;
    assert!(head.contains("cache-control: public, max-age=9\r\n"), "{head}");
}

#[tokio::test]
async fn connections_are_reused_and_each_request_stands_alone() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    let mut client = front.connect().await;
    for path in ["/one", "/two", "/three"] {
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: app.example.com\r\n\r\n"))
            .await;
        client.until("ok").await;
    }
    let paths: Vec<_> = heard
        .all()
        .iter()
        .map(|head| head.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["/one", "/two", "/three"]);
    assert_eq!(heard.connections(), 1);
}

#[tokio::test]
async fn head_keeps_its_length_and_304_has_no_body() {
    let (address, _) = always("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    let request = "HEAD / HTTP/1.1\r\nhost: app.example.com\r\nconnection: close\r\n\r\n";
    assert!(
        public(address)
            .await
            .exchange(request)
            .await
            .contains("content-length: 1234\r\n")
    );
    let (address, _) = always("HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\netag: \"1\"\r\n\r\n").await;
    let heard = public(address).await.exchange(&get("/")).await;
    assert!(heard.starts_with("HTTP/1.1 304 ") && heard.ends_with("\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for word in ["one", "two"] {
            app.until(&format!("3\r\n{word}\r\n")).await;
            app.send(format!("3\r\n{word}\r\n")).await;
        }
        app.until("0\r\n\r\n").await;
        app.send("0\r\n\r\n").await;
    })
    .await;
    let front = public(address).await;
    let mut client = front.connect().await;
    client
        .send("POST / HTTP/1.1\r\nhost: app.example.com\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.send("3\r\none\r\n").await;
    client.until("3\r\none\r\n").await;
    client.send("3\r\ntwo\r\n").await;
    client.until("3\r\ntwo\r\n").await;
    client.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn response_trailers_pass() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let (address, _) = always(answer).await;
    let request = "GET / HTTP/1.1\r\nhost: app.example.com\r\nte: trailers\r\nconnection: te, close\r\n\r\n";
    let heard = public(address).await.exchange(request).await;
    assert!(heard.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn c11_request_trailers_do_not() {
    let (address, heard) = upstream(|mut app, _, heard| async move {
        heard.note(app.until("0\r\n").await);
        heard.note(app.until("\r\n").await);
        app.send(OK).await;
    })
    .await;
    let request = "POST / HTTP/1.1\r\nhost: app.example.com\r\ntransfer-encoding: chunked\r\ntrailer: remote-user\r\n\
                   connection: close\r\n\r\n2\r\nhi\r\n0\r\nremote-user: root\r\n\r\n";
    assert!(public(address).await.exchange(request).await.ends_with("ok"));
    let all = heard.all();
    assert!(!all[0].contains("remote-user") && all[1] == "\r\n", "{all:?}");
}

#[tokio::test]
async fn r03_a_response_cut_short_stays_cut_and_its_connection_is_not_used_again() {
    let (address, heard) = upstream(|mut app, number, _| async move {
        app.head().await;
        match number {
            0 => app.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await,
            1 => {
                app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                    .await;
            }
            _ => app.send(OK).await,
        }
    })
    .await;
    let front = public(address).await;
    // How much of it arrives is the socket's business; that it is not whole is ours.
    let cut = front.exchange(&get("/length")).await;
    let body = cut.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert!(body.len() < 10, "{cut}");
    let cut = front.exchange(&get("/chunked")).await;
    assert!(!cut.ends_with("0\r\n\r\n"), "{cut}");
    assert!(front.exchange(&get("/whole")).await.ends_with("ok"));
    assert_eq!(heard.connections(), 3);
}

#[tokio::test]
async fn r04_garbage_is_502() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
    ] {
        let (address, _) = always(answer).await;
        let heard = public(address).await.exchange(&get("/")).await;
        assert!(heard.starts_with("HTTP/1.1 502 "), "{answer:?}: {heard}");
    }
}

#[tokio::test]
async fn r04_too_much_before_an_answer_is_502_and_the_connection_ends() {
    let flood: [(&str, String); 3] = [
        ("interim responses", "HTTP/1.1 102 Processing\r\n\r\n".repeat(100_000)),
        (
            "early hints",
            format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(2000)).repeat(2000),
        ),
        ("one header", format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(2_000_000))),
    ];
    for (what, flood) in flood {
        let (address, heard) = upstream(move |mut app, _, heard| {
            let flood = flood.clone();
            async move {
                app.head().await;
                let whole = app.0.write_all(flood.as_bytes()).await.is_ok();
                let _ = app.0.read_u8().await;
                heard.note(if whole { "all of it was taken" } else { "cut" });
            }
        })
        .await;
        let answer = public(address).await.exchange(&get("/")).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{what}: {answer}");
        while heard.all().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn r04_headers_up_to_the_bound_and_a_few_interim_responses_pass() {
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".repeat(3);
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 2\r\n\r\nok", "x".repeat(60_000));
        app.send(interim + &head).await;
    })
    .await;
    let answer = public(address).await.exchange(&get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"));
    assert!(!answer.contains("css"), "early hints end here");
}

#[tokio::test]
async fn ranges_and_dates_pass_as_they_are_and_via_says_who_passed_them() {
    let partial = "HTTP/1.1 206 Partial Content\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                   content-range: bytes 0-1/9\r\ncontent-length: 2\r\nvia: 1.1 inner\r\n\r\nok";
    let (address, heard) = always(partial).await;
    let request = "GET / HTTP/1.1\r\nhost: app.example.com\r\nrange: bytes=0-1\r\nif-range: \"1\"\r\n\
                   via: 1.0 outer\r\nconnection: close\r\n\r\n";
    let answer = public(address).await.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 206 "), "{answer}");
    assert!(answer.contains("content-range: bytes 0-1/9\r\n"), "{answer}");
    assert_eq!(answer.matches("date:").count(), 1);
    assert!(answer.contains("date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"), "{answer}");
    assert!(
        answer.contains("via: 1.1 inner\r\n") && answer.contains("via: 1.1 stepgate\r\n"),
        "{answer}"
    );
    let said = heard.all().remove(0);
    assert!(said.contains("range: bytes=0-1\r\n") && said.contains("if-range: \"1\"\r\n"), "{said}");
    assert!(said.contains("via: 1.0 outer\r\n") && said.contains("via: 1.1 stepgate\r\n"), "{said}");
}

#[tokio::test]
async fn an_upstream_that_leads_back_here_is_508() {
    let (address, heard) = always(OK).await;
    let request = format!(
        "GET / HTTP/1.1\r\nhost: app.example.com\r\nvia: {}x\r\nconnection: close\r\n\r\n",
        "1.1 stepgate, ".repeat(5)
    );
    let answer = public(address).await.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
    assert_eq!(heard.connections(), 0);
}

#[tokio::test]
async fn r01_r02_an_upstream_that_is_down_is_502_and_a_slow_one_504() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let heard = public(nowhere).await.exchange(&get("/")).await;
    assert!(heard.starts_with("HTTP/1.1 502 ") && heard.ends_with("upstream-unreachable"), "{heard}");
    let (address, _) = upstream(|mut app, _, _| async move {
        app.head().await;
        app.rest().await;
    })
    .await;
    let front = tuned(address, |settings| {
        settings.server.timeouts.upstream_response = Duration::from_millis(200);
    })
    .await;
    let heard = front.exchange(&get("/")).await;
    assert!(heard.starts_with("HTTP/1.1 504 ") && heard.ends_with("upstream-timeout"), "{heard}");
}

/// Answers one request, then ends each connection at the moment of its second.
async fn forgetful() -> (std::net::SocketAddr, super::support::Heard) {
    upstream(|mut app, _, heard| async move {
        heard.note(app.head().await);
        app.send(OK).await;
        heard.note(app.head().await);
    })
    .await
}

#[tokio::test]
async fn c12_what_may_have_been_written_is_never_sent_twice() {
    let (address, heard) = forgetful().await;
    let front = public(address).await;
    assert!(front.exchange(&get("/warm")).await.ends_with("ok"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    let post =
        "POST /pay HTTP/1.1\r\nhost: app.example.com\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
    let answer = front.exchange(post).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(heard.all().iter().filter(|head| head.starts_with("post /pay")).count(), 1);
}

#[tokio::test]
async fn c12_an_idempotent_request_on_a_dead_reused_connection_is_sent_again() {
    let (address, heard) = forgetful().await;
    let front = public(address).await;
    assert!(front.exchange(&get("/warm")).await.ends_with("ok"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(front.exchange(&get("/again")).await.ends_with("ok"));
    assert_eq!(heard.connections(), 2);
}

#[tokio::test]
async fn r21_a_panic_costs_only_its_own_connection() {
    let (address, _) = always(OK).await;
    let front = public(address).await;
    let mut bystander = front.connect().await;
    assert_eq!(front.exchange(&get("/panic")).await, "");
    bystander.send(get("/")).await;
    assert!(bystander.rest().await.ends_with("ok"));
}

#[tokio::test]
async fn the_portal_gets_bounded_bodies() {
    let (address, heard) = always(OK).await;
    let front = public(address).await;
    let post = |length: usize| {
        format!(
            "POST /portal HTTP/1.1\r\nhost: app.example.com\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    assert!(front.exchange(&(post(5) + "hello")).await.ends_with("\r\n\r\nhello"));
    assert!(front.exchange(&post(100_000)).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(heard.connections(), 0);
}

#[tokio::test]
async fn bytes_nobody_asked_for_are_nobodys_answer() {
    let (address, heard) = always(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    )
    .await;
    let front = public(address).await;
    for _ in 0..3 {
        assert!(front.exchange(&get("/")).await.ends_with("\r\n\r\nok"));
    }
    assert_eq!(heard.connections(), 3, "a connection with bytes left over is not used again");
}
