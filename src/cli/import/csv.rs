//! Tables of tokens, as vendors and other servers give them out: a heading with the names of the
//! columns, then one token a line.

use zeroize::Zeroizing;

use super::label::some;
use super::rows::{Row, Rows, algorithm, base32, hex, kind, number};
use crate::config::FactorKind;
use crate::factors::Parameters;

const COLUMNS: [&str; 10] = [
    "subject",
    "secret",
    "secret_hex",
    "kind",
    "digits",
    "period",
    "algorithm",
    "counter",
    "serial",
    "issuer",
];
/// What others call them: Authelia, Microsoft's table of hardware tokens, privacyIDEA and LinOTP.
const ALSO: [(&str, &str); 13] = [
    ("username", "subject"),
    ("user", "subject"),
    ("account", "subject"),
    ("upn", "subject"),
    ("secret_key", "secret"),
    ("otpkey", "secret_hex"),
    ("type", "kind"),
    ("tokentype", "kind"),
    ("otplen", "digits"),
    ("time_interval", "period"),
    ("timestep", "period"),
    ("hashlib", "algorithm"),
    ("serial_number", "serial"),
];
/// What is of no use here.
const UNUSED: [&str; 4] = ["manufacturer", "model", "description", "realm"];

/// Reads the table.
pub(super) fn read(text: &str) -> Rows {
    let mut rows = Rows::default();
    // So that every row ends with one counted line.
    let text = Zeroizing::new(format!("{}\n", text.replace("\r\n", "\n")));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(&text))
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(false)
        .from_reader(text.as_bytes());
    let Ok(heading) = reader.headers().map(clean) else {
        return wrong(rows, 1, "the heading cannot be read");
    };
    // By its place, not by its text: without a heading that would be a secret.
    let known = |name: &str| COLUMNS.contains(&name) || UNUSED.contains(&name);
    if let Some(at) = heading.iter().position(|name| !known(name)) {
        let known = COLUMNS.join(", ");
        return wrong(rows, 1, &format!("the name of column {} is not one of: {known}", at + 1));
    }
    for name in heading.iter().filter(|name| COLUMNS.contains(&name.as_str())) {
        if heading.iter().filter(|other| *other == name).count() > 1 {
            return wrong(rows, 1, &format!("the column `{name}` is there twice"));
        }
    }
    let mut record = csv::StringRecord::new();
    loop {
        let read = reader.read_record(&mut record);
        // The line after the row's own.
        let line = usize::try_from(reader.position().line())
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        match read {
            Ok(false) => return rows,
            Ok(true) => {
                let cell = |name: &str| {
                    let at = heading.iter().position(|column| column == name)?;
                    some(record.get(at)?)
                };
                rows.push(line, row(line, cell));
            }
            Err(_) => {
                rows.push(line, Err("the number of columns is not that of the heading".to_owned()));
            }
        }
    }
}

/// What stands between the columns: spreadsheets of half the world write semicolons.
fn delimiter(text: &str) -> u8 {
    let heading = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    match heading {
        _ if heading.contains(',') => b',',
        _ if heading.contains(';') => b';',
        _ if heading.contains('\t') => b'\t',
        _ => b',',
    }
}

/// The names as they are called here.
fn clean(heading: &csv::StringRecord) -> Vec<String> {
    let plain = |name: &str| name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let ours = |name: String| match ALSO.iter().find(|(other, _)| *other == name) {
        Some((_, ours)) => (*ours).to_owned(),
        None => name,
    };
    heading.iter().map(|name| ours(plain(name))).collect()
}

fn wrong(mut rows: Rows, line: usize, what: &str) -> Rows {
    rows.push(line, Err(what.to_owned()));
    rows
}

fn row(line: usize, cell: impl Fn(&str) -> Option<String>) -> Result<Row, String> {
    let secret = match (cell("secret"), cell("secret_hex")) {
        (Some(text), None) => base32(&text)?,
        (None, Some(text)) => hex(&text)?,
        (None, None) => return Err("there is no secret".to_owned()),
        (Some(_), Some(_)) => return Err("there are two secrets".to_owned()),
    };
    let kind = cell("kind").map_or(Ok(FactorKind::Totp), |text| kind(&text))?;
    let mut parameters = Parameters::default();
    if let Some(text) = cell("algorithm") {
        parameters.algorithm = algorithm(&text)?;
    }
    if let Some(text) = cell("digits") {
        parameters.digits = number("digits", &text)?;
    }
    if let Some(text) = cell("period") {
        parameters.period = number("period", &text)?;
    }
    let counter = cell("counter").map(|text| number("counter", &text)).transpose()?;
    if kind == FactorKind::Hotp && counter.is_none() {
        return Err("a token that counts needs its `counter`".to_owned());
    }
    Ok(Row {
        line,
        subject: cell("subject").ok_or("there is no subject")?,
        issuer: cell("issuer"),
        kind,
        secret,
        parameters,
        counter: counter.unwrap_or_default(),
        serial: cell("serial"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factors::Algorithm;

    #[test]
    fn columns_in_any_order_and_only_those_that_are_needed() {
        let rows =
            read("secret,Subject\nGEZDGNBVGY3TQOJQ, anna\n# a note\n\"GEZD GNBV GY3T QOJR\",\"bob, jr\"\n");
        assert!(rows.wrong.is_empty());
        assert_eq!(rows.taken.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(rows.taken[1].subject, "bob, jr");
        let rows = read(
            "subject,secret_hex,kind,digits,period,algorithm,counter,serial\n\
             anna,31323334353637383930,hotp,8,,HmacSHA512,7,A-1\n\
             bob,31323334353637383931,,,60,,,\n",
        );
        let [anna, bob] = rows.taken.as_slice() else {
            panic!("two rows")
        };
        assert_eq!((anna.counter, anna.serial.as_deref()), (7, Some("A-1")));
        assert_eq!(anna.parameters, Parameters { algorithm: Algorithm::Sha512, digits: 8, period: 30 });
        assert_eq!((bob.kind, bob.parameters.period), (FactorKind::Totp, 60));
    }

    #[test]
    fn tables_of_others_are_taken_as_they_are() {
        // `authelia storage user totp export csv`.
        let authelia = "issuer,username,algorithm,digits,period,secret\n\
                        Authelia,anna,SHA256,8,60,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";
        // learn.microsoft.com, "OATH tokens": what vendors of tokens give to their customers.
        let microsoft = "upn,serial number,secret key,time interval,manufacturer,model\n\
                         anna@contoso.com,1234567,gezdgnbvgy3tqojqgezdgnbvgy3tqojq,60,Contoso,HardwareKey\n";
        // A spreadsheet in German.
        let semicolons = "User;Type;OTPkey;OTPlen;Counter\nanna;HOTP;31323334353637383930;8;3\n";
        let described = [authelia, microsoft, semicolons].map(|text| {
            let rows = read(text);
            assert_eq!(rows.wrong, []);
            let [row] = rows.taken.as_slice() else {
                panic!("one row")
            };
            format!("{} of {}: {}", row.subject, row.issuer.as_deref().unwrap_or("?"), row.describe())
        });
        assert_eq!(
            described,
            [
                "anna of Authelia: totp, SHA-256, 8 digits, every 60 s",
                "anna@contoso.com of ?: totp, SHA-1, 6 digits, every 60 s, serial 1234567",
                "anna of ?: hotp, SHA-1, 8 digits, from counter 3",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_line() {
        let at = |text: &str| {
            let rows = read(text);
            rows.wrong.into_iter().map(|one| (one.line, one.what)).collect::<Vec<_>>()
        };
        assert!(at("subject,sekret\n")[0].1.starts_with("the name of column 2 is not one of: "));
        assert_eq!(at("subject,secret,secret\n")[0], (1, "the column `secret` is there twice".into()));
        assert_eq!(at("user,secret,subject\n")[0], (1, "the column `subject` is there twice".into()));
        assert_eq!(
            at("subject,secret,kind\nanna,GEZDGNBV\nbob,,\n,GEZDGNBV,\ncarl,GEZDGNBV,hotp\n"),
            [
                (2, "the number of columns is not that of the heading".into()),
                (3, "there is no secret".into()),
                (4, "there is no subject".into()),
                (5, "a token that counts needs its `counter`".to_owned())
            ]
        );
    }
}
