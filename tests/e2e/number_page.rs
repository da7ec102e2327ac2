//! The page that asks for a number, without script: what it says before, and why a number is not taken
//! (ux.md P-24).

use crate::support::{Form, Gate, Setup, Upstream, ok, text_of};

fn gate(countries: &str, gateway: &Upstream) -> Gate {
    let senders = format!(
        "\n  texts: {{ type: http, url: \"{url}/send\", form: {{ to: \"{{{{ to }}}}\", text: \"{{{{ text }}}}\" }} }}\
         \n  calls: {{ type: http, carries: voice, url: \"{url}/call\", form: {{ to: \"{{{{ to }}}}\", say: \"{{{{ text }}}}\" }} }}",
        url = gateway.url()
    );
    let factors = format!(
        "{{ sms: {{ enabled: true, countries: {countries} }}, voice: {{ enabled: true, countries: {countries} }} }}"
    );
    Setup::new("\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:9\", require: standard }\n")
        .section("senders", &senders)
        .section("factors", &factors)
        .user("anna", &[])
        .start()
}

#[test]
fn p24_it_says_how_a_number_is_written_what_it_costs_and_that_it_is_not_enough() {
    let gateway = Upstream::answering(|_| ok("{}"));
    let gate = gate("[GB, DE, AT]", &gateway);
    let mut anna = gate.signed_in("anna");
    let html = anna.go(&gate.portal("enrol/new/sms")).text();
    let says = text_of(&html);
    for words in [
        "United Kingdom (+44)",
        "Germany (+49)",
        "For example 07400 123456 (United Kingdom), or the whole number from its +.",
        "your phone company may charge for them",
        "We text a code there when you ask for one, and a word when your ways to confirm change. Nothing else.",
        "Add another way as well",
    ] {
        assert!(says.contains(words), "{words}: {says}");
    }
    assert!(html.contains(r#"type="tel" autocomplete="tel""#), "{html}");
    assert!(html.contains("<select") && html.contains(r#"data-example="For example 0151"#), "{html}");
    let calls = text_of(&anna.go(&gate.portal("enrol/new/voice")).text());
    assert!(calls.contains("Calls you take abroad may cost you something"), "{calls}");
    assert!(gateway.requests().is_empty(), "nothing is sent for looking");
}

#[test]
fn p24_a_number_that_is_not_taken_is_told_why_and_stays_to_be_mended() {
    let gateway = Upstream::answering(|_| ok("{}"));
    let gate = gate("[GB, DE, AT]", &gateway);
    let mut anna = gate.signed_in("anna");
    let nobody = "Nobody has a number like that";
    let no_number = "Enter a phone number: only digits";
    let table = [
        ("sms", "07700 900123", "GB", nobody),
        ("sms", "+44 7700 900123", "DE", nobody),
        ("sms", "07400 CALLME", "GB", no_number),
        ("sms", "12", "GB", nobody),
        ("sms", "+33 6 12 34 56 78", "GB", "We can't send to that country"),
        ("sms", "07797 712345", "GB", "We can't send to that country"),
        ("sms", "0909 8790123", "GB", "That is a special number"),
        ("sms", "0180 1234567", "DE", "That is a special number"),
        ("sms", "0800 1234567", "DE", "That is a special number"),
        ("sms", "07640 123456", "GB", "That is a special number"),
        ("sms", "020 7946 0958", "GB", "That is a landline"),
        ("sms", "056 1234 5678", "GB", "an internet phone service"),
        ("voice", "056 1234 5678", "GB", "an internet phone service"),
        ("sms", "", "GB", "Fill this in"),
    ];
    for (factor, number, country, why) in table {
        let asked = anna.go(&gate.portal(&format!("enrol/new/{factor}")));
        let form = Form::with(&asked.text(), |field| field.name == "number").expect("a form");
        let refused = anna.submit(&form.fill("country", country).fill("number", number));
        let says = text_of(&refused.text());
        assert_eq!(refused.status, 422, "{number}: {says}");
        assert!(says.contains(why) && says.contains("There is a problem"), "{number}: {says}");
        let again = Form::with(&refused.text(), |field| field.name == "number").expect("the form again");
        assert_eq!(
            (again.value("number"), again.value("country")),
            (Some(number), Some(country)),
            "{number}"
        );
    }
    assert!(gateway.requests().is_empty(), "what is refused costs nothing");
}

#[test]
fn p24_every_way_to_write_a_number_is_that_number() {
    for (number, country, expected) in [
        ("07400 123456", "GB", "%2B447400123456"),
        ("+44 (0)7400 123-456", "AT", "%2B447400123456"),
        ("0044 7400 123456", "DE", "%2B447400123456"),
        ("0151/234.567-89", "DE", "%2B4915123456789"),
        ("0664 1234567", "AT", "%2B436641234567"),
    ] {
        let gateway = Upstream::answering(|_| ok("{}"));
        let gate = gate("[GB, DE, AT]", &gateway);
        let mut anna = gate.signed_in("anna");
        let asked = anna.go(&gate.portal("enrol/new/sms"));
        let form = Form::with(&asked.text(), |field| field.name == "number").expect("a form");
        let reply = anna.submit(&form.fill("country", country).fill("number", number));
        let says = text_of(&anna.settle(reply).text());
        assert!(says.contains("We sent a text to the number ending"), "{number}: {says}");
        let body = String::from_utf8(gateway.last().body).expect("a form");
        assert!(body.contains(expected), "{number}: {body}");
    }
}
