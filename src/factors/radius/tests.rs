//! Against servers on this machine that do what no good server does: stay silent, forge, answer late.
//! Real servers are in the end-to-end tests.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::net::UdpSocket;

use super::packet::testing;
use super::*;
use crate::ambient::UnixTime;
use crate::config::settings::{MessageAuthenticator, RadiusServer};
use crate::factors::testing::enrolling;

const SECRET: &str = "a secret that is long enough";
const ACCEPT: u8 = 2;
const REJECT: u8 = 3;
const CHALLENGE: u8 = 11;
const PATIENT: Duration = Duration::from_secs(50);
/// A State attribute.
const STATE: &[u8] = b"\x18\x06\x00\xffab";

fn radius(servers: &[&UdpSocket], timeout: Duration) -> Radius {
    let server = |socket: &&UdpSocket| RadiusServer {
        address: socket.local_addr().unwrap().to_string(),
        secret: SECRET.into(),
    };
    Radius::new(&settings::Radius {
        label: "Token".to_owned(),
        servers: servers.iter().map(server).collect(),
        message_authenticator: MessageAuthenticator::Required,
        nas_identifier: "mfa.example.com".to_owned(),
        timeout,
    })
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

async fn ask(radius: &Radius, begun: Option<&SecretSlice<u8>>) -> Result<Verdict, Unavailable> {
    let (material, _) = radius.begin(&enrolling("nemo")).unwrap();
    let answer = radius.normal_form(&Answer::Code(" 123456 ".into())).unwrap();
    let asking = Asking {
        material: &material,
        begun,
        answer: &answer,
        account: "nemo",
        return_url: "",
        client: IpAddr::from([192, 0, 2, 7]),
        now: UnixTime(0),
    };
    radius.ask(asking).await
}

/// Receives one request and replies to it.
async fn reply(socket: &UdpSocket, code: u8, attributes: &[u8]) -> Vec<u8> {
    let (packet, from) = receive(socket).await;
    let answer = testing::reply_to(&packet, code, &SecretString::from(SECRET), attributes, true);
    socket.send_to(&answer, from).await.unwrap();
    packet
}

async fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut packet = vec![0; 4096];
    let (length, from) = socket.recv_from(&mut packet).await.unwrap();
    packet.truncate(length);
    (packet, from)
}

#[tokio::test]
async fn the_server_judges() {
    let server = socket().await;
    let radius = radius(&[&server], PATIENT);
    let (verdict, _) = tokio::join!(ask(&radius, None), reply(&server, ACCEPT, b""));
    assert!(matches!(verdict.unwrap(), Verdict::Right(right) if right.state == 1));
    let (verdict, _) = tokio::join!(ask(&radius, None), reply(&server, REJECT, b"\x12\x04no"));
    assert!(matches!(verdict.unwrap(), Verdict::Wrong));
}

#[tokio::test]
async fn a_challenge_is_asked_again_and_its_state_goes_back_to_the_server_that_made_it() {
    let (first, second) = (socket().await, socket().await);
    let radius = radius(&[&first, &second], PATIENT);
    let challenge = [b"\x12\x11Enter\x0a  the PIN", STATE].concat();
    let (verdict, asked) = tokio::join!(ask(&radius, None), reply(&first, CHALLENGE, &challenge));
    assert!(!asked.windows(6).any(|part| part == STATE));
    let Verdict::Again(begun) = verdict.unwrap() else {
        panic!("a challenge is asked again")
    };
    assert_eq!(begun.shows, Shows::Question { says: Some("Enter the PIN".into()) });
    let (verdict, asked) = tokio::join!(ask(&radius, Some(&begun.payload)), reply(&first, ACCEPT, b""));
    assert!(matches!(verdict.unwrap(), Verdict::Right(_)));
    assert!(asked.windows(6).any(|part| part == STATE));
}

#[tokio::test(start_paused = true)]
async fn the_identical_packet_is_sent_again_and_forged_replies_change_nothing() {
    let server = socket().await;
    let radius = radius(&[&server], PATIENT);
    let serve = async {
        let mut packets = Vec::new();
        for _ in 0..3 {
            let (packet, from) = receive(&server).await;
            let forged = testing::reply_to(&packet, ACCEPT, &SecretString::from("guessed"), b"", true);
            server.send_to(&forged, from).await.unwrap();
            let bare = testing::reply_to(&packet, ACCEPT, &SecretString::from(SECRET), b"", false);
            server.send_to(&bare, from).await.unwrap();
            packets.push(packet);
        }
        packets.push(reply(&server, REJECT, b"").await);
        packets
    };
    let (verdict, packets) = tokio::join!(ask(&radius, None), serve);
    assert!(matches!(verdict.unwrap(), Verdict::Wrong));
    assert!(packets.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_gives_way_to_the_next_and_is_asked_last_for_a_while() {
    let (silent, good) = (socket().await, socket().await);
    let radius = radius(&[&silent, &good], Duration::from_secs(5));
    let (verdict, _) = tokio::join!(ask(&radius, None), reply(&good, ACCEPT, b""));
    assert!(matches!(verdict.unwrap(), Verdict::Right(_)));
    let mut packet = [0; 4096];
    for _ in 0..2 {
        assert!(silent.try_recv_from(&mut packet).is_ok(), "it was asked, and again");
    }
    while silent.try_recv_from(&mut packet).is_ok() {}
    let (verdict, _) = tokio::join!(ask(&radius, None), reply(&good, ACCEPT, b""));
    assert!(matches!(verdict.unwrap(), Verdict::Right(_)));
    assert!(silent.try_recv_from(&mut packet).is_err(), "it rests");
}

#[tokio::test(start_paused = true)]
async fn a_push_is_waited_for_for_a_minute() {
    let server = socket().await;
    let radius = radius(&[&server], Duration::from_secs(60));
    let serve = async {
        let (packet, from) = receive(&server).await;
        tokio::time::sleep(Duration::from_secs(58)).await;
        let answer = testing::reply_to(&packet, ACCEPT, &SecretString::from(SECRET), b"", true);
        server.send_to(&answer, from).await.unwrap();
    };
    let (verdict, ()) = tokio::join!(ask(&radius, None), serve);
    assert!(matches!(verdict.unwrap(), Verdict::Right(_)));
}

#[tokio::test(start_paused = true)]
async fn silent_servers_keep_nobody_longer_than_the_page_waits() {
    let servers = [socket().await, socket().await, socket().await];
    let radius = radius(&servers.each_ref(), Duration::from_secs(60));
    let began = tokio::time::Instant::now();
    let Ok(Verdict::Silent(why)) = ask(&radius, None).await else {
        panic!("they were asked")
    };
    assert!(began.elapsed() <= Duration::from_secs(71), "{:?}", began.elapsed());
    assert!(why.contains("no time was left for it"), "{why}");
}

#[tokio::test]
async fn a_reply_from_elsewhere_is_none() {
    let (server, elsewhere) = (socket().await, socket().await);
    let radius = radius(&[&server], PATIENT);
    let serve = async {
        let (packet, from) = receive(&server).await;
        let accept = testing::reply_to(&packet, ACCEPT, &SecretString::from(SECRET), b"", true);
        elsewhere.send_to(&accept, from).await.unwrap();
        let reject = testing::reply_to(&packet, REJECT, &SecretString::from(SECRET), b"", true);
        server.send_to(&reject, from).await.unwrap();
    };
    let (verdict, ()) = tokio::join!(ask(&radius, None), serve);
    assert!(matches!(verdict.unwrap(), Verdict::Wrong), "only the server that was asked may answer");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_after_it_was_asked_may_have_judged() {
    let server = socket().await;
    let radius = radius(&[&server], PATIENT);
    let goes = async move {
        receive(&server).await;
        drop(server);
    };
    let (verdict, ()) = tokio::join!(ask(&radius, None), goes);
    assert!(matches!(verdict, Ok(Verdict::Silent(_))), "so its silence is counted");
}

#[tokio::test]
async fn a_challenge_of_a_server_that_is_not_configured_any_more_asks_nobody() {
    let server = socket().await;
    let radius = radius(&[&server], PATIENT);
    let challenged = Challenged { server: "192.0.2.1:1812".to_owned(), state: b"state".to_vec() };
    let begun = SecretSlice::from(serde_json::to_vec(&challenged).unwrap());
    let Err(Unavailable(why)) = ask(&radius, Some(&begun)).await else {
        panic!("nobody was asked")
    };
    assert!(why.contains("not configured any more"), "{why}");
    assert!(server.try_recv_from(&mut [0; 4096]).is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_is_never_an_answer_and_the_log_learns_why() {
    let silent = socket().await;
    let Ok(Verdict::Silent(none)) = ask(&radius(&[&silent], Duration::from_secs(3)), None).await else {
        panic!("it was asked")
    };
    assert!(none.contains("wrong shared secret"), "{none}");
    let bare = socket().await;
    let unprotected = radius(&[&bare], Duration::from_secs(3));
    let serve = async {
        let (packet, from) = receive(&bare).await;
        let answer = testing::reply_to(&packet, ACCEPT, &SecretString::from(SECRET), b"", false);
        bare.send_to(&answer, from).await.unwrap();
    };
    let (verdict, ()) = tokio::join!(ask(&unprotected, None), serve);
    let Ok(Verdict::Silent(unprotected)) = verdict else {
        panic!("it was asked")
    };
    assert!(unprotected.contains("Message-Authenticator"), "{unprotected}");
    let closed = socket().await;
    let gone = radius(&[&closed], PATIENT);
    drop(closed);
    assert!(ask(&gone, None).await.is_err());
}

#[test]
fn what_is_typed_is_sent_as_it_is() {
    let factor = Radius::new(&settings::Radius::default());
    let form = |typed: &str| {
        factor
            .normal_form(&Answer::Code(typed.into()))
            .map(|form| form.0.expose_secret().to_owned())
    };
    assert_eq!(form(" PIN 123456\n").as_deref(), Ok("PIN 123456"));
    assert_eq!(form(" "), Err(Malformed::Empty));
    assert_eq!(form("a\u{0}b"), Err(Malformed::NotDigits));
    assert_eq!(form(&"x".repeat(129)), Err(Malformed::Length { expected: 128, got: 129 }));
    assert_eq!(presentable(" \u{7}\n"), None);
}
