//! Every identity source against the same questions: one table with a row for what can happen and a
//! column for each source. A source joins by a file with a function for each row, and its column below; a
//! row that has no meaning for it says why. A column without all the rows does not compile.

mod app_basic;
mod app_probe;
mod app_signed;
mod app_watch;
mod client_certificate;
mod introspection;
mod jwt;
mod ldap;
mod local;
mod oidc;
mod tokens;
mod trusted_header;

pub use app_probe::{gate as gate_of, with_cookie};

/// What is asked of every source, in this order.
const ROWS: [&str; 12] = [
    "unknown_person",
    "wrong_credential",
    "slow",
    "down",
    "lies_oversized",
    "lies_wrong_type",
    "other_user_mid_session",
    "rotated_keys",
    "clock_skew",
    "replayed_callback",
    "ten_tabs",
    "log_out_in_one_tab",
];

/// Whether a column has the rows of the table, checked when it is compiled.
const fn is_whole(column: &[&str]) -> bool {
    let mut row = 0;
    while row < ROWS.len() {
        if row >= column.len() || !same(ROWS[row].as_bytes(), column[row].as_bytes()) {
            return false;
        }
        row += 1;
    }
    column.len() == ROWS.len()
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// `run` calls the function of the row's name in the source's file, `slow` does so with `--all`, `says` is
/// why there is none.
macro_rules! cell {
    ($source:ident $row:ident run) => {
        #[test]
        fn $row() {
            super::super::$source::$row();
        }
    };
    ($source:ident $row:ident slow) => {
        #[test]
        #[ignore = "slow: takes more than 20 s"]
        fn $row() {
            super::super::$source::$row();
        }
    };
    ($source:ident $row:ident says $why:literal) => {
        const _: &str = $why;
    };
}

macro_rules! table {
    ($($source:ident { $($row:ident: $kind:ident $($why:literal)?,)* })*) => {
        mod table {
            $(mod $source {
                const _: () = assert!(
                    super::super::is_whole(&[$(stringify!($row)),*]),
                    concat!("rows are missing or in another order: ", stringify!($source)),
                );
                $(cell!($source $row $kind $($why)?);)*
            })*
        }
    };
}

table! {
    app_basic {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: says "there are no keys; a changed password is another credential, as in `wrong_credential`",
        clock_skew: says "nothing in the app's answer has a time",
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: says "nobody signs out of HTTP Basic: browsers keep the password",
    }
    app_probe {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: says "nothing in the app's answer has a time",
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    app_signed {
        unknown_person: run,
        wrong_credential: run,
        slow: says "nobody is asked",
        down: says "nobody is asked; an app that is gone is `deadlines`",
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: run,
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    app_watch {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: says "nothing in a login has a time",
        replayed_callback: says "a login sent again is judged by the app again, as in `other_user_mid_session`",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    ldap {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: says "nothing that a directory answers is dated",
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    local {
        unknown_person: run,
        wrong_credential: run,
        slow: says "our own store; a slow disk is `exhaustion`",
        down: says "our own store; a lost one is `exhaustion` and `kill9`",
        lies_oversized: says "our own store",
        lies_wrong_type: says "our own store",
        other_user_mid_session: run,
        rotated_keys: says "passwords are no keys; those of the store are `files`",
        clock_skew: says "one clock",
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    trusted_header {
        unknown_person: run,
        wrong_credential: run,
        slow: says "it comes with the request; nobody is asked",
        down: says "nobody is asked; a proxy that is down sends no requests",
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: says "there are no keys: the address is what counts, see `spoofing`",
        clock_skew: says "it says no times",
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    jwt {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: run,
        replayed_callback: says "nothing comes back from elsewhere; proofs that are used again are `signed_headers`",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    introspection {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: says "the server is asked; no key of its is known here",
        clock_skew: run,
        replayed_callback: says "nothing comes back from elsewhere",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    client_certificate {
        unknown_person: run,
        wrong_credential: run,
        slow: says "it comes with the request; nobody is asked",
        down: says "nobody is asked",
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: run,
        replayed_callback: says "nothing comes back from elsewhere; TLS has the key prove itself on every connection",
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
    oidc {
        unknown_person: run,
        wrong_credential: run,
        slow: run,
        down: run,
        lies_oversized: run,
        lies_wrong_type: run,
        other_user_mid_session: run,
        rotated_keys: run,
        clock_skew: run,
        replayed_callback: run,
        ten_tabs: run,
        log_out_in_one_tab: run,
    }
}
