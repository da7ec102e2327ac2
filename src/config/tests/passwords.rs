//! Passwords of local users: when a link for a new one is mailed, and the list of stolen ones.

use super::*;

const MAIL: &str = "senders:\n  mail: { type: smtp, host: a.example.com, from: a@example.com }\n";
const FACTOR: &str = "factors:\n  email: { enabled: true }\n";

#[test]
fn links_are_mailed_where_mail_leaves_and_is_no_factor() {
    let mailed = |more: &str| settings(&format!("{HEAD}{more}"), &[]).passwords.reset_by_mail;
    assert!(!mailed(""), "nothing could carry them");
    assert!(mailed(MAIL));
    assert!(!mailed(&format!("{MAIL}{FACTOR}")), "one mailbox would be both");
    assert!(!mailed(&format!("{MAIL}passwords: {{ reset_by_mail: false }}\n")));
    let both = format!("{HEAD}{MAIL}{FACTOR}passwords: {{ reset_by_mail: true }}\n");
    assert_eq!(codes(&both, &[]), ["SG-C051"]);
    assert_eq!(codes(&format!("{HEAD}passwords: {{ reset_by_mail: true }}\n"), &[]), ["SG-C012"]);
}

#[test]
fn figures_and_lists_are_looked_at() {
    let text = |keys: &str| format!("{HEAD}passwords: {{ {keys} }}\n");
    assert_eq!(settings(HEAD, &[]).passwords.min_length, 8);
    assert_eq!(settings(&text("min_length: 15"), &[]).passwords.min_length, 15);
    for short in ["min_length: 7", "min_length: 65", "min_length: many"] {
        assert!(!codes(&text(short), &[]).is_empty(), "{short}");
    }
    let (loaded, shown) = run(&text("breach_list: readable"), &[]);
    let list = loaded
        .settings
        .unwrap_or_else(|| panic!("{shown}"))
        .passwords
        .breach_list
        .clone();
    assert!(list.is_some_and(|list| list.is_absolute()), "taken from the file's own directory");
    assert_eq!(codes(&text("breach_list: nowhere"), &[]), ["SG-C041"]);
}
