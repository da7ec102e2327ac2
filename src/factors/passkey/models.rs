//! What a passkey is called before its owner names it: by the make of its authenticator where that
//! is known, else by how it is reached, and for a device's own by the browser it was made in. It must
//! never decide what is accepted.

use uuid::Uuid;

use super::kept::Enrolled;

/// One make a line, sorted: AAGUID, space, name.
const MODELS: &str = include_str!("models.txt");

/// A name to propose; `agent` is the browser, "Firefox on Linux", or empty.
pub(super) fn name<'a>(passkey: &Enrolled, agent: &'a str) -> &'a str {
    let reached = |transport: &str| passkey.transports.iter().any(|one| one == transport);
    if let Some(model) = model(&passkey.aaguid) {
        model
    } else if reached("internal") {
        // "This device" would be wrong on every other one.
        if agent.contains(" on ") {
            agent
        } else {
            "This device"
        }
    } else if reached("hybrid") {
        "Phone or tablet"
    } else if reached("usb") || reached("nfc") || reached("ble") || reached("smart-card") {
        "Security key"
    } else {
        "Passkey"
    }
}

fn model(aaguid: &Uuid) -> Option<&'static str> {
    MODELS
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(id, _)| Uuid::try_parse(id).is_ok_and(|id| id == *aaguid))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_line_names_a_make() {
        let lines: Vec<&str> = MODELS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.is_sorted());
        for line in lines {
            let (id, name) = line.split_once(' ').unwrap();
            assert!(!name.is_empty() && name.len() <= 64, "{line}");
            assert_eq!(model(&Uuid::try_parse(id).unwrap()), Some(name));
        }
        assert_eq!(model(&Uuid::nil()), None);
    }
}
