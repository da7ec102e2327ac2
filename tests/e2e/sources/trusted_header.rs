//! The table's column for the headers of a proxy in front. That proxy's own tricks are `spoofing`.

use super::tokens::{ask, gate, not_the_other_s, status, ten, with};
use crate::support::{Gate, Upstream};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let source = "{ name: front, type: trusted-header, from: [127.0.0.1], session: X-Session, \
                  attributes: { user: X-User, groups: X-Groups } }";
    let gate = gate(&upstream, source);
    (upstream, gate)
}

pub fn unknown_person() {
    let (upstream, gate) = scene();
    for fields in [
        &[][..],
        &[("X-User", "")],
        &[("X-Groups", "admins")],
        &[("X-Session", "1")],
    ] {
        assert_eq!(ask(&gate, fields), 401, "{fields:?}");
    }
    assert!(upstream.take().is_empty());
}

pub fn wrong_credential() {
    let (upstream, gate) = scene();
    let mut stranger = with(&gate, &[("X-User", "anna"), ("X-Forwarded-For", "127.0.0.1")]);
    stranger.from = Some([127, 0, 0, 2].into());
    assert_eq!(status(&gate, &mut stranger, "/page"), 401);
    assert!(upstream.take().is_empty());
}

pub fn lies_oversized() {
    let (upstream, gate) = scene();
    let groups = vec!["g"; 257].join(",");
    for fields in [
        [("X-User", &*"a".repeat(257)), ("X-Groups", "")],
        [("X-User", "anna"), ("X-Groups", &groups)],
    ] {
        assert_eq!(ask(&gate, &fields), 400);
    }
    assert!(upstream.take().is_empty());
}

pub fn lies_wrong_type() {
    let (upstream, gate) = scene();
    for fields in [
        &[("X-User", "anna"), ("X-User", "ben")][..],
        &[("X-User", "a@b@c")],
        &[("X-User", "anna\t")],
        &[("X-User", "an\u{7f}na")],
        &[("X-User", "anna"), ("X-Groups", "hr"), ("X-Groups", "admins")],
    ] {
        let status = ask(&gate, fields);
        // A blank at the end of a field is no part of its value.
        let trimmed = fields[0].1.ends_with('\t');
        assert_eq!(status, if trimmed { 200 } else { 400 }, "{fields:?}");
    }
    assert!(upstream.take().iter().all(|request| request.twins("remote-user") == ["anna"]));
}

pub fn other_user_mid_session() {
    let (_upstream, gate) = scene();
    not_the_other_s(
        &gate,
        &[("X-User", "anna"), ("X-Session", "1")],
        &[&[("X-User", "ben"), ("X-Session", "1")], &[("X-User", "ben")]],
    );
}

pub fn ten_tabs() {
    let (upstream, gate) = scene();
    ten(&gate, &upstream, &[("X-User", "anna"), ("X-Session", "1")], "anna");
}

/// The proxy says that the person signed out by another session, or by nobody at all.
pub fn log_out_in_one_tab() {
    let (_upstream, gate) = scene();
    not_the_other_s(
        &gate,
        &[("X-User", "anna"), ("X-Session", "1")],
        &[&[("X-User", "anna"), ("X-Session", "2")]],
    );
    assert_eq!(ask(&gate, &[]), 401);
}
