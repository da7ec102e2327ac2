//! Readings of paths, one by one.

use super::*;

fn readings(path: &str) -> Vec<String> {
    match read(path, EncodedSlash::Refuse).unwrap() {
        Readings::Plain => vec![],
        Readings::Several(readings) => readings.iter().map(|reading| reading.path().to_owned()).collect(),
    }
}

fn refused(path: &str) -> Option<&'static str> {
    read(path, EncodedSlash::Refuse).err().map(|refusal| refusal.code)
}

#[test]
fn plain_paths_are_themselves() {
    for path in [
        "/",
        "/a/b.c/d-e_f~g",
        "/a+b@c:d",
        "/.well-known/x",
        "/...a",
        "/a/",
        "/(x)*!$&',=",
        "/Users/X",
        "/{id}|[]^\"",
    ] {
        assert!(readings(path).is_empty(), "{path}");
    }
}

#[test]
fn ordinary_escapes_mean_one_thing() {
    assert_eq!(readings("/my%20files/%C3%A4rzte"), ["/my files/ärzte"]);
    assert_eq!(readings("/ärzte"), ["/ärzte"]);
    assert_eq!(readings("/100%25"), ["/100%"]);
    assert_eq!(readings("/%E6%97%A5%E6%9C%AC"), ["/日本"]);
}

#[test]
fn needless_escapes_mean_two() {
    assert_eq!(readings("/%61dmin"), ["/admin", "/%61dmin"]);
    assert_eq!(readings("/anna%40example.com"), ["/anna@example.com", "/anna%40example.com"]);
}

#[test]
fn a04_dot_segments_are_taken_out_plain_or_encoded() {
    for path in [
        "/x/../admin",
        "/./admin",
        "/x/%2e%2e/admin",
        "/x/%252e%252e/admin",
        "/x/..;/admin",
        "//admin",
    ] {
        assert!(readings(path).iter().any(|reading| reading == "/admin"), "{path}");
    }
}

#[test]
fn a05_encoded_slashes_and_backslashes_are_refused() {
    for path in ["/a%2fb", "/a%2Fb"] {
        assert_eq!(refused(path), Some("path_encoded_slash"), "{path}");
    }
    for path in ["/a\\b", "/a%5cb", "/a%255Cb", "/a%EF%BC%BCb"] {
        assert_eq!(refused(path), Some("path_backslash"), "{path}");
    }
    let judged = read("/a%2fb", EncodedSlash::Judge).unwrap();
    let Readings::Several(judged) = judged else {
        panic!("plain")
    };
    assert_eq!(judged.iter().map(Reading::path).collect::<Vec<_>>(), ["/a/b", "/a%2fb"]);
}

#[test]
fn a06_parameters_hide_nothing() {
    for path in ["/admin;x/y", "/admin/y;a=b", "/admin%3bx/y", "/x;/../admin/y"] {
        assert!(readings(path).iter().any(|reading| reading == "/admin/y"), "{path}");
    }
}

#[test]
fn a07_slashes_collapse() {
    assert!(readings("///admin//x/").contains(&"/admin/x/".to_owned()));
    assert!(readings("//").contains(&"/".to_owned()));
}

#[test]
fn a09_what_cannot_be_read_is_refused() {
    for (path, code) in [
        ("/100%", "path_escape"),
        ("/%zz", "path_escape"),
        ("/%u0061", "path_escape"),
        ("/%c0%ae", "path_encoding"),
        ("/%ff", "path_encoding"),
        ("/a%25ff", "path_encoding"),
        ("/a%25ud800", "path_encoding"),
        ("/a%00", "path_control"),
        ("/a%2500", "path_control"),
        ("/a%0d%0a", "path_control"),
        ("/a%C2%85", "path_control"),
        ("/%252525252525252e", "path_ambiguous"),
    ] {
        assert_eq!(refused(path), Some(code), "{path}");
    }
}

#[test]
fn the_work_is_bounded() {
    let long = format!("/{}", "a%2525;b%20.//%252e./".repeat(400));
    assert_eq!(refused(&long), Some("path_ambiguous"));
    let twisted = "/a;b//%252e/c%253bd/%2523e/%253ff%20./\u{ff41}\u{200b}/%2525";
    assert_eq!(refused(twisted), Some("path_ambiguous"));
}

#[test]
fn compatible_and_invisible_characters_are_read() {
    for path in [
        "/%EF%BD%81dmin",
        "/ad%E2%80%8Bmin",
        "/admin%20",
        "/admin.",
        "/admin%3Fx",
        "/admin%23x",
    ] {
        assert!(readings(path).iter().any(|reading| reading == "/admin"), "{path}");
    }
}
