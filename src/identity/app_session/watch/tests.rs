use http::HeaderValue;
use http::header::COOKIE;
use proptest::prelude::*;

use super::*;

fn watch(keeps_cookie: bool) -> Watch {
    Watch::new(&Settings {
        path: "/login".to_owned(),
        method: Method::POST,
        user: LoginName::Form("user".to_owned()),
        cookie: "SID".to_owned(),
        status: vec![StatusCode::FOUND],
        location_not: vec!["/login".to_owned()],
        keeps_cookie,
    })
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

static PATH: std::sync::LazyLock<PathAndQuery> =
    std::sync::LazyLock::new(|| PathAndQuery::from_static("/login"));
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn attempt(lines: &[(&'static str, &'static str)], body: &'static str) -> Option<Attempt> {
    let body = Bytes::from_static(body.as_bytes());
    watch(false)
        .attempt((&Method::POST, &PATH), &headers(lines), Some(&body))
        .unwrap()
}

fn target(text: &str) -> PathAndQuery {
    text.parse().unwrap()
}

fn of(name: Option<&str>, before: Option<&str>) -> Option<Attempt> {
    Some(Attempt { name: name.map(str::to_owned), before: before.map(str::to_owned) })
}

#[test]
fn a_login_is_a_name_and_the_cookie_it_comes_with() {
    let old = ("cookie", "SID=old; x=1");
    assert_eq!(attempt(&[FORM, old], "user=Anna+&password=x"), of(Some("Anna"), Some("old")));
    assert_eq!(attempt(&[FORM], "user=anna&password=x"), of(Some("anna"), None));
    // The same path without a name is something else that the app does there.
    assert_eq!(attempt(&[FORM, old], "do=save&text=user"), None);
    let twice = headers(&[FORM, ("cookie", "SID=a; SID=b")]);
    let body = Bytes::from_static(b"user=anna");
    assert!(watch(false).attempt((&Method::POST, &PATH), &twice, Some(&body)).is_err());
}

#[test]
fn only_where_the_cookie_stays_are_likenesses_of_the_login_looked_at() {
    for like in [
        "/login/",
        "/Login",
        "/l%6fgin",
        "//login",
        "/./login;x",
        "/login/x",
        "/x/../login",
        "/index.php/login",
        "/app;v=1/login.php",
        "/l%256fgin",
        "/%25252525256cogin",
        "/log%C4%B1n",
        "/%EF%BC%ACogin",
        "/%25u006cogin",
        "/login?user=bob",
    ] {
        let target = target(like);
        for method in [Method::POST, Method::PUT] {
            assert!(watch(true).may_be_login(&method, &target), "{like}");
        }
        let sent = watch(true).attempt((&Method::PUT, &target), &HeaderMap::new(), None).unwrap();
        assert_eq!(sent, of(None, None), "{like}");
    }
    let shown = |text: &str| {
        watch(true)
            .attempt((&Method::GET, &target(text)), &HeaderMap::new(), None)
            .unwrap()
    };
    assert_eq!(shown("/login?next=/"), None);
    assert_eq!(shown("/login?user=bob&password=x"), of(None, None));
    for other in ["/page", "/%C3%9Cberblick", "/logi/x"] {
        assert!(!watch(true).may_be_login(&Method::POST, &target(other)), "{other}");
    }
    for (method, path) in [
        (Method::POST, "/login/"),
        (Method::GET, "/login"),
        (Method::POST, "/Login"),
    ] {
        assert!(!watch(false).may_be_login(&method, &target(path)), "{method} {path}");
    }
    assert!(watch(false).may_be_login(&Method::POST, &target("/login?next=/")));
}

#[test]
fn what_an_app_might_read_otherwise_names_nobody() {
    let body = "user=anna&password=x";
    for lines in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json")],
        &[("content-type", "application/x-www-form-urlencoded; charset=utf-16")],
        &[FORM, FORM],
        &[FORM, ("content-encoding", "gzip")],
        &[("content-type", "multipart/form-data")],
    ] {
        assert_eq!(attempt(lines, body), of(None, None), "{lines:?}");
    }
    assert_eq!(attempt(&[FORM], "user=&password=x"), of(None, None));
    let large = watch(false).attempt((&Method::POST, &PATH), &headers(&[FORM]), None).unwrap();
    assert_eq!(large, of(None, None));
}

#[test]
fn a_login_that_worked_binds_one_name_or_ends_what_was() {
    let (worked, failed) = (headers(&[("set-cookie", "SID=new")]), headers(&[("location", "/login?again")]));
    let answer = |attempt: Option<Attempt>, headers: &HeaderMap| {
        watch(false).outcome(&attempt.unwrap(), StatusCode::FOUND, headers)
    };
    let bound = Outcome::SignedIn { name: "anna".to_owned(), cookie: "new".to_owned() };
    assert_eq!(answer(of(Some("anna"), Some("old")), &worked), bound);
    assert_eq!(answer(of(Some("anna"), Some("old")), &failed), Outcome::Nothing);
    assert_eq!(answer(of(None, Some("old")), &failed), Outcome::Nothing);
    assert_eq!(answer(of(None, Some("old")), &HeaderMap::new()), Outcome::Nothing);
    let both = Outcome::Unclear { cookies: vec!["old".to_owned(), "new".to_owned()] };
    assert_eq!(answer(of(None, Some("old")), &worked), both);
    let kept = Outcome::Unclear { cookies: vec!["old".to_owned()] };
    assert_eq!(answer(of(Some("bob"), Some("old")), &HeaderMap::new()), kept);
}

proptest! {
    #[test]
    fn garbage_never_panics(kind in "[ -~]{0,60}", body: Vec<u8>, cookie in "[ -~]{0,60}", query in "[a-z0-9%&=;]{0,40}") {
        let target = target(&format!("/login?{query}"));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(&kind).unwrap());
        headers.insert(COOKIE, HeaderValue::from_str(&cookie).unwrap());
        let _ = watch(true).attempt((&Method::POST, &target), &headers, Some(&Bytes::from(body.clone())));
        for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let _ = watch(true).attempt((&Method::POST, &target), &headers, Some(&Bytes::from(body.clone())));
        }
    }
}
