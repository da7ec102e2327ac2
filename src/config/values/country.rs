//! Countries by their ISO 3166 codes.

use phonenumber::country::Id;

use super::BadValue;

/// `GB`: two capitals, of a country that has telephone numbers.
pub fn country(text: &str) -> Result<String, BadValue> {
    let shaped = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    if shaped && text.parse::<Id>().is_ok() {
        return Ok(text.to_owned());
    }
    let label = match text {
        "UK" => "write it as `GB`",
        _ => "write it as two capitals, such as `GB` or `DE`",
    };
    Err(BadValue::new("this is no country", label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_their_codes() {
        for good in ["GB", "US", "DE", "JM", "JE"] {
            assert_eq!(country(good).as_deref(), Ok(good));
        }
        for wrong in ["gb", "XX", "G", "GBR", "", "+44", "Germany"] {
            assert!(country(wrong).is_err(), "{wrong}");
        }
        assert_eq!(country("UK").unwrap_err().label, "write it as `GB`");
    }
}
