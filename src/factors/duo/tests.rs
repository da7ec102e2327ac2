//! What can be told without Duo. How it goes with a service is in `tests/e2e/duo.rs`.

use super::super::testing::enrolling;
use super::*;

fn duo(application: DuoApplication) -> Duo {
    Duo::new(&settings::Duo {
        // Nobody listens on the port 1.
        api_host: "localhost:1".to_owned(),
        application,
        fails_open: false,
        normalise_usernames: false,
        accept_bypass: false,
        automatic: false,
        only_if_sole: false,
        authority: None,
    })
    .unwrap()
}

fn universal() -> Duo {
    let client_secret = "universal-secret-of-forty-characters-abc".into();
    duo(DuoApplication::Universal { client_id: "DIUNIVERSALAAAAAAAAA".to_owned(), client_secret })
}

fn api() -> Duo {
    let secret_key = "authapi-secret-of-forty-characters-abcde".into();
    duo(DuoApplication::Api { integration_key: "DIAUTHAPIAAAAAAAAAAA".to_owned(), secret_key })
}

fn read_as(duo: &Duo, answer: &Answer) -> Result<String, Malformed> {
    duo.normal_form(answer).map(|form| form.0.expose_secret().to_owned())
}

fn back(code: &str, error: &str) -> Answer {
    Answer::Return { code: code.to_owned(), error: error.to_owned() }
}

#[test]
fn each_mode_takes_its_own_answers_and_no_others() {
    let (universal, api) = (universal(), api());
    assert_eq!(read_as(&universal, &back("c0de", "")).as_deref(), Ok("c0de"));
    assert_eq!(
        read_as(&universal, &back("c0de", "access_denied")).as_deref(),
        Ok(""),
        "an error is never a code"
    );
    for answer in [
        back("", ""),
        back("a b", ""),
        back(&"x".repeat(513), ""),
        Answer::Ask,
        Answer::Code("1".into()),
    ] {
        assert!(read_as(&universal, &answer).is_err());
    }
    assert_eq!(read_as(&api, &Answer::Ask).as_deref(), Ok("ask"));
    for (typed, code) in [
        ("123 456", "123456"),
        ("１２３４５６７", "1234567"),
        ("cccc-jgk", "ccccjgk"),
    ] {
        assert_eq!(read_as(&api, &Answer::Code(typed.into())).as_deref(), Ok(code));
    }
    for typed in ["", " - ", "ask", "123", "12345!", "12345\u{0}", &"1".repeat(65)] {
        assert!(read_as(&api, &Answer::Code(typed.into())).is_err(), "{typed:?}");
    }
    assert!(read_as(&api, &back("c0de", "")).is_err());
    assert!(api.needs_start(&Answer::Ask) && !api.needs_start(&Answer::Code("123456".into())));
    assert!(universal.needs_start(&back("c0de", "")));
}

#[test]
fn what_is_enrolled_is_the_name_that_duo_is_asked_about() {
    let (material, setup) = universal().begin(&enrolling("anna")).unwrap();
    assert!(matches!(setup, Setup::Redirect));
    assert_eq!(username(&material).unwrap(), "anna");
    assert!(material.about.properties.is_empty(), "Duo does not say what was proved with");
    assert!(matches!(api().begin(&enrolling("anna")).unwrap().1, Setup::Approve));
    for name in ["", "  ", "an\u{0}na", &"a".repeat(257)] {
        assert!(universal().begin(&enrolling(name)).is_err());
    }
}

fn starting(material: &Material) -> Starting<'_> {
    Starting {
        material,
        before: None,
        others: &[],
        choice: "",
        account: "anna",
        app: "Payroll",
        return_url: "https://mfa.test/back",
        client: [127, 0, 0, 1].into(),
        now: UnixTime(1_700_000_000),
    }
}

#[tokio::test]
async fn an_outage_opens_only_where_that_was_chosen() {
    for mut duo in [universal(), api()] {
        let (material, _) = duo.begin(&enrolling("anna")).unwrap();
        assert!(matches!(duo.start(starting(&material)).await, Err(StartError::Unavailable(_))));
        duo.fails_open = true;
        assert!(matches!(duo.start(starting(&material)).await, Err(StartError::Waived)));
        assert!(duo.probe().await.is_err());
    }
}

#[tokio::test]
async fn after_the_prompt_an_outage_never_opens() {
    let mut duo = universal();
    duo.fails_open = true;
    let (material, _) = duo.begin(&enrolling("anna")).unwrap();
    let Application::Universal(inner) = &duo.application else {
        panic!("universal")
    };
    let sent = sealed(&inner.leave("anna", "https://mfa.test/back", UnixTime(1)).unwrap().sent).unwrap();
    let ask = |answer: &'static str, begun| {
        let answer = NormalForm(answer.to_owned().into());
        let (duo, material) = (&duo, &material);
        async move {
            let (account, return_url) = ("anna", "https://mfa.test/back");
            let (client, now) = ([127, 0, 0, 1].into(), UnixTime(1_700_000_000));
            duo.ask(Asking { material, begun, answer: &answer, account, return_url, client, now })
                .await
        }
    };
    assert!(ask("c0de", Some(&sent)).await.is_err(), "nobody could be asked");
    assert!(matches!(ask("", Some(&sent)).await, Ok(Verdict::Denied)), "Duo sent an error");
    assert!(matches!(ask("c0de", None).await, Ok(Verdict::Wrong)), "nobody was sent anywhere");
}
