//! Grammar of what local users' passwords have to be.

use super::{Key, Map, Scalar, Shape};

/// Passwords of local users.
pub(super) static PASSWORDS: Map = Map::new(
    "`passwords`",
    "What a new password of a local user has to be. Names of the person and of this service are refused, and the 5,000 that are used most; there are no rules about kinds of characters, and passwords do not run out.",
    &[
        Key::default(
            "min_length",
            Scalar::Int(8, 64),
            "8",
            "Characters at least. NIST SP 800-63B-4 asks for 15 where nothing but the password is asked for.",
        ),
        Key::new(
            "breach_list",
            Shape::Scalar(Scalar::File),
            "File of stolen passwords that are refused: the SHA-1 list of Have I Been Pwned, ordered by hash, of any size (it is searched on disk), or a list of words of at most 16 MiB. Looked at when a password is chosen; while it cannot be read, none can be.",
        ),
        Key::new(
            "reset_by_mail",
            Shape::Scalar(Scalar::Bool),
            "Whether people can have a link mailed with which they choose a new password; they prove their factors as before. Without it: yes, where a sender carries mail and mail is no factor.",
        ),
    ],
);
