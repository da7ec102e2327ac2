//! What a directory's answers lead to, against a small server made here that says what a test wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::ber::{ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET, Writer};
use super::{Directory, message};
use crate::config::settings::{
    BindName, Filter, Ldap, LdapGroups, LdapGroupsFrom, LdapSearch, LdapSecurity, LdapServer,
};
use crate::identity::{PasswordAnswer, PasswordSource as _};

const ANNA: &str = "uid=anna,ou=people,dc=example";

/// What the server knows.
struct Known {
    /// Under which names the password is `right`.
    bound: &'static [&'static str],
    /// The name of the entry that every search for a person finds, and its further attribute.
    entry: &'static str,
    further: &'static str,
    /// So many binds at once are waited for.
    crowd: usize,
}

const PLAIN: Known = Known { bound: &[ANNA], entry: ANNA, further: "mail", crowd: 1 };

fn written(id: u32, tag: u8, inside: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.within(SEQUENCE, |message| {
        message.number(INTEGER, id).within(tag, inside);
    });
    writer.bytes().to_vec()
}

fn done(id: u32, tag: u8, code: u32) -> Vec<u8> {
    written(id, tag, |inside| {
        inside.number(ENUMERATED, code).put(OCTETS, b"").put(OCTETS, b"");
    })
}

fn entry(id: u32, known: &Known) -> Vec<u8> {
    written(id, 0x64, |entry| {
        entry.put(OCTETS, known.entry.as_bytes()).within(SEQUENCE, |list| {
            for (name, value) in [("uid", "anna"), (known.further, "anna@example.com")] {
                list.within(SEQUENCE, |one| {
                    one.put(OCTETS, name.as_bytes()).within(SET, |set| {
                        set.put(OCTETS, value.as_bytes());
                    });
                });
            }
        });
    })
}

/// The answer to one request; `None`: goodbye.
async fn answer(request: &[u8], known: &Known, crowd: &Barrier) -> Option<Vec<u8>> {
    let mut message = Reader::new(Reader::new(request).expect(SEQUENCE).ok()?);
    let id = message.number(INTEGER).ok()?;
    let (tag, inside) = message.any().ok()?;
    let mut inside = Reader::new(inside);
    match tag {
        0x60 => {
            inside.number(INTEGER).ok()?;
            let name = std::str::from_utf8(inside.expect(OCTETS).ok()?).ok()?;
            let right = known.bound.contains(&name) && inside.expect(0x80).ok()? == b"right";
            crowd.wait().await;
            Some(done(id, 0x61, if right { 0 } else { 49 }))
        }
        0x63 => {
            let groups = inside.expect(OCTETS).ok()? == b"ou=groups";
            let mut all = if groups { Vec::new() } else { entry(id, known) };
            all.extend(done(id, 0x65, 0));
            Some(all)
        }
        _ => None,
    }
}

async fn serve(mut stream: TcpStream, known: Arc<Known>, crowd: Arc<Barrier>) {
    let mut read = BytesMut::new();
    loop {
        while let Ok(Some(length)) = message::length(&read) {
            if read.len() < length {
                break;
            }
            let request = read.split_to(length);
            let Some(all) = answer(&request, &known, &crowd).await else {
                return;
            };
            if stream.write_all(&all).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

/// A directory whose one server knows this. It ends with the test's runtime.
async fn directory(known: Known, bind: Option<&str>) -> Directory {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (crowd, known) = (Arc::new(Barrier::new(known.crowd)), Arc::new(known));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&known), Arc::clone(&crowd)));
        }
    });
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let settings = Ldap {
        label: "Staff".to_owned(),
        servers: vec![LdapServer { host: "127.0.0.1".to_owned(), port, security: LdapSecurity::Loopback }],
        authority: Some(authority.cert.pem()),
        bind: bind.map(|template| BindName::parse(template).unwrap()),
        search: Some(LdapSearch {
            base: "ou=people,dc=example".to_owned(),
            filter: Filter::of("(uid={user})"),
            account: None,
        }),
        user: "uid".to_owned(),
        name: "cn".to_owned(),
        email: "mail".to_owned(),
        attributes: BTreeMap::new(),
        groups: LdapGroups {
            from: LdapGroupsFrom::Search {
                base: "ou=groups".to_owned(),
                filter: Filter::of("(member={dn})"),
                nested: false,
            },
            by_dn: false,
        },
        recheck: None,
    };
    Directory::new("staff", &settings).unwrap()
}

/// Whether Anna comes in; else why the directory could not be asked.
async fn comes_in(directory: &Directory) -> Result<bool, String> {
    let named = directory.find("anna").await.map_err(|down| down.to_string())?.unwrap();
    let answer = named.judge(SecretString::from("right")).await;
    Ok(matches!(answer.map_err(|down| down.to_string())?, PasswordAnswer::Right(_)))
}

#[tokio::test]
async fn as_many_as_there_is_room_for_come_in_at_once() {
    let crowd = super::pool::AT_ONCE;
    let directory = directory(Known { crowd, ..PLAIN }, None).await;
    let mut people = JoinSet::new();
    for _ in 0..crowd {
        let named = directory.find("anna").await.unwrap().unwrap();
        people.spawn(async move { named.judge(SecretString::from("right")).await });
    }
    for answer in people.join_all().await {
        assert!(matches!(answer, Ok(PasswordAnswer::Right(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn an_attribute_that_comes_in_part_is_not_taken_for_the_whole() {
    for further in ["memberOf;range=0-1499", "memberof;binary;RANGE=0-*"] {
        let refused = comes_in(&directory(Known { further, ..PLAIN }, None).await).await;
        assert!(refused.is_err_and(|why| why.contains("more values")), "{further}");
    }
    assert_eq!(
        comes_in(&directory(Known { further: "mail;lang-en", ..PLAIN }, None).await).await,
        Ok(true)
    );
}

#[tokio::test]
async fn the_entry_that_is_found_is_the_one_whose_password_was_right() {
    const BEN: &str = "uid=ben,ou=people,dc=example";
    let by_entry = Some("UID={user}, ou=people,dc=example");
    let bound = &["UID=anna, ou=people,dc=example"];
    assert_eq!(comes_in(&directory(Known { bound, ..PLAIN }, by_entry).await).await, Ok(true));
    let other = comes_in(&directory(Known { bound, entry: BEN, ..PLAIN }, by_entry).await).await;
    assert!(other.is_err_and(|why| why.contains("another entry")));

    let by_login = Some("{user}@example.com");
    let bound = &["anna@example.com", ANNA];
    assert_eq!(comes_in(&directory(Known { bound, ..PLAIN }, by_login).await).await, Ok(true));
    let other = comes_in(&directory(Known { bound, entry: BEN, ..PLAIN }, by_login).await).await;
    assert!(other.is_err_and(|why| why.contains("another entry")));
}
