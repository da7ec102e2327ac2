//! Against a server that follows a script; TLS and signing in are in `tests/e2e/mail.rs`, with a server
//! that is not ours.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Channel, Code, Content, Language};
use super::*;

/// What the server has seen, and what it will answer.
#[derive(Default)]
struct Script {
    /// To `RCPT`, in turn; then 250.
    recipients: VecDeque<&'static str>,
    /// To the end of a mail, in turn; then 250. `cut` ends the connection, `hang` is no answer.
    ends: VecDeque<&'static str>,
    connections: usize,
    mails: Vec<String>,
}

type Shared = Arc<Mutex<Script>>;

async fn server(script: Script) -> (u16, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shared = Arc::new(Mutex::new(script));
    let script = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            script.lock().unwrap().connections += 1;
            tokio::spawn(speak(stream, Arc::clone(&script)));
        }
    });
    (port, shared)
}

async fn speak(stream: TcpStream, script: Shared) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 mail.example.com\r\n").await.ok()?;
    loop {
        let line = lines.next_line().await.ok()??;
        let answer = match line.get(..4).unwrap_or_default() {
            "EHLO" => "250 mail.example.com",
            "RCPT" => script.lock().unwrap().recipients.pop_front().unwrap_or("250 ok"),
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                loop {
                    match lines.next_line().await.ok()?? {
                        end if end == "." => break,
                        line => mail.push_str(&format!("{line}\n")),
                    }
                }
                let mut script = script.lock().unwrap();
                script.mails.push(mail);
                script.ends.pop_front().unwrap_or("250 taken as 4711")
            }
            _ => "250 ok",
        };
        match answer {
            "cut" => return None,
            "hang" => std::future::pending().await,
            answer => write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?,
        }
    }
}

/// Connections and mails.
fn counts(seen: &Shared) -> (usize, usize) {
    let script = seen.lock().unwrap();
    (script.connections, script.mails.len())
}

fn settings(port: u16, security: SmtpSecurity) -> settings::Smtp {
    settings::Smtp {
        host: "127.0.0.1".to_owned(),
        port,
        security,
        credentials: None,
        authority: None,
        from: "Example security <security@example.com>".to_owned(),
    }
}

fn smtp(port: u16) -> Smtp {
    Smtp::new("mail", &settings(port, SmtpSecurity::Plain), Duration::from_secs(20)).unwrap()
}

fn message(to: &str) -> Message {
    let code = Code {
        code: "12345678".into(),
        lives: Duration::from_secs(300),
        app: "Wiki".to_owned(),
        brand: "Example\r\nBcc: spy@example.com".to_owned(),
        domain: "mfa.example.com".to_owned(),
        call: None,
    };
    Message {
        channel: Channel::Email,
        to: to.to_owned(),
        content: Content::Code(code),
        language: Language::En,
        id: "m1".to_owned(),
    }
}

#[tokio::test]
async fn h03_a_mail_says_what_it_must_and_nothing_else_in_its_head() {
    let (port, seen) = server(Script::default()).await;
    let accepted = smtp(port).send(&message("anna@example.com")).await.unwrap();
    assert_eq!(accepted.reference.as_deref(), Some("taken as 4711"));
    let mail = seen.lock().unwrap().mails.concat();
    let (head, body) = mail.split_once("\n\n").unwrap();
    for line in [
        "From: \"Example security\" <security@example.com>",
        "To: anna@example.com",
        "Subject: Your code for Example Bcc: spy@example.com",
        "Message-ID: <m1@example.com>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(head.lines().any(|other| other == line), "{line}\n{head}");
    }
    assert!(!head.contains("12345678") && !head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(
        body.contains("text/plain") && body.contains("text/html") && body.contains("12345678"),
        "{body}"
    );
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_gets_one_mail() {
    let recipients = ["451 later", "421 later still"].into();
    let (port, seen) = server(Script { recipients, ..Script::default() }).await;
    smtp(port).send(&message("anna@example.com")).await.unwrap();
    assert_eq!(seen.lock().unwrap().mails.len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_refused_at_once_with_one_of_few_reasons() {
    for (answer, reason) in [
        ("550 5.1.1 no such person", Reason::InvalidDestination),
        ("553 not like this", Reason::InvalidDestination),
        ("554 5.7.1 policy", Reason::Blocked),
        ("530 sign in first", Reason::Misconfigured),
        ("503 what", Reason::Misconfigured),
    ] {
        let (port, seen) = server(Script { recipients: [answer].into(), ..Script::default() }).await;
        let not = smtp(port).send(&message("anna@example.com")).await.unwrap_err();
        assert_eq!((not.reason, not.certain), (reason, true), "{answer}");
        assert!(not.says.contains(answer.split_once(' ').unwrap().1), "{}", not.says);
        assert_eq!(counts(&seen), (1, 0), "{answer}");
    }
    let not = smtp(9)
        .send(&message("not an address\r\nRCPT TO:<x@example.com>"))
        .await
        .unwrap_err();
    assert_eq!((not.reason, not.certain), (Reason::InvalidDestination, true));
}

#[tokio::test]
async fn a_mail_that_may_have_been_taken_is_not_sent_twice() {
    let (port, seen) = server(Script { ends: ["cut"].into(), ..Script::default() }).await;
    let not = smtp(port).send(&message("anna@example.com")).await.unwrap_err();
    assert_eq!((not.reason, not.certain), (Reason::Unavailable, false));
    assert_eq!(seen.lock().unwrap().mails.len(), 1);
}

#[tokio::test]
async fn connections_are_kept_but_not_the_one_that_was_given_up() {
    let ends = ["250 first", "hang", "250 third"].into();
    let (port, seen) = server(Script { ends, ..Script::default() }).await;
    let smtp = smtp(port);
    assert_eq!(smtp.send(&message("a@example.com")).await.unwrap().reference.as_deref(), Some("first"));
    // Given up by whoever waits for it, in the middle of an exchange.
    let waiting = async {
        while seen.lock().unwrap().mails.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    let second = message("b@example.com");
    tokio::select! {
        sent = smtp.send(&second) => panic!("{sent:?}"),
        () = waiting => {}
    }
    assert_eq!(seen.lock().unwrap().connections, 1);
    assert_eq!(smtp.send(&message("c@example.com")).await.unwrap().reference.as_deref(), Some("third"));
    assert_eq!(seen.lock().unwrap().connections, 2);
}

#[tokio::test]
async fn without_the_tls_that_is_asked_for_nothing_is_said() {
    let (port, seen) = server(Script::default()).await;
    let starttls = settings(port, SmtpSecurity::StartTls);
    let smtp = Smtp::new("mail", &starttls, Duration::from_secs(20)).unwrap();
    let not = smtp.send(&message("anna@example.com")).await.unwrap_err();
    assert_eq!((not.reason, not.certain), (Reason::Misconfigured, true));
    assert!(not.says.contains("STARTTLS"), "{}", not.says);
    assert_eq!(counts(&seen), (1, 0));
}

#[tokio::test]
async fn nobody_there_is_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = smtp(listener.local_addr().unwrap().port());
    drop(listener);
    let not = smtp.send(&message("anna@example.com")).await.unwrap_err();
    assert_eq!((not.reason, not.certain), (Reason::Unavailable, true));
    assert!(smtp.probe().await.is_err());
}

#[tokio::test]
async fn a_probe_connects_and_sends_nothing() {
    let (port, seen) = server(Script::default()).await;
    smtp(port).probe().await.unwrap();
    assert_eq!(counts(&seen), (1, 0));
}
