//! `explain` on a configuration like that of the documentation.

use clap::Parser as _;

use super::*;
use crate::ambient::UnixTime;
use crate::config::{self, Environment, Sources};

const CONFIG: &str = r#"
version: 1
server: { listen: "127.0.0.1:8080", public_url: "https://mfa.example.com" }
levels:
  - { name: critical, any_of: [totp], valid_for: 0s }
conditions:
  office:        { network: [10.20.0.0/16] }
  working-hours: { time: { days: [mon, tue, wed, thu, fri], between: ["07:00", "19:00"], zone: Europe/London } }
  contractor:    { user: { employment: contractor } }
routes:
  - name: payroll
    host: payroll.example.com
    upstream: http://127.0.0.1:8081
    allow: { groups: [finance, hr] }
    require: standard
    rules:
      - { path: /static/**, require: signed-in }
      - { path: /healthz, method: GET, require: public }
      - { path: /payments/*/approve, method: POST, require: critical, reason: Approve a payment }
      - { path: /api/**, require: sensitive, answer: status }
    raise:
      - { when: { not: working-hours }, to: sensitive }
      - { when: contractor, to: deny }
"#;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

/// Runs `explain` with these arguments on a Saturday morning.
fn explained(arguments: &str) -> Result<(String, bool), Usage> {
    let loaded = config::load(&Sources::text("stepgate.yaml", CONFIG), &Environment::default());
    let settings = loaded
        .settings
        .unwrap_or_else(|| panic!("{}", loaded.diagnostics.to_text(false)));
    let command = format!("explain -c stepgate.yaml {arguments}");
    let args = Command::try_parse_from(command.split(' ')).unwrap().args;
    let clock = Clock::manual(UnixTime(1_795_252_320)); // 2026-11-21T09:12:00Z
    explain(&args, &Policy::compile(&settings).unwrap(), &clock)
}

fn is(expected: &str, arguments: &str) -> bool {
    explained(&format!("{arguments} --expect {expected}")).unwrap().1
}

#[test]
fn the_layout() {
    let (text, _) = explained(
        "--method POST --url https://payroll.example.com/payments/881/approve --user anna --groups finance \
         --attr employment=staff --ip 203.0.113.9 --has totp@3m,recovery_code",
    )
    .unwrap();
    let expected = r#"
POST https://payroll.example.com/payments/881/approve   user anna (finance)   from 203.0.113.9   Sat 2026-11-21 09:12 UTC

route payroll                                    stepgate.yaml:11
  rule 1   path /static/**                 no   path differs
  rule 2   path /healthz, GET              no   path differs
  rule 3   path /payments/*/approve, POST  yes  -> critical  stepgate.yaml:19
  raise 1  not working-hours               yes  Saturday 09:12 Europe/London  -> sensitive  stepgate.yaml:22
  raise 2  contractor                      no   employment is "staff"
decision: challenge, level critical (factors: totp; every time)
anna has: totp (confirmed 3m ago, not enough), recovery_code (does not count here)
answer: 303 to the challenge page to a browser; to fetch(): 401 problem+json"#;
    assert_eq!(text, expected.trim_start());
}

#[test]
fn expectations_set_the_exit_code() {
    let anna = "--user anna --groups finance --attr employment=staff --at 2026-11-20T12:00:00Z";
    let url = |path: &str| format!("--url https://payroll.example.com{path} {anna}");
    assert!(is("standard", &url("/")) && is("challenge", &url("/")) && !is("allow", &url("/")));
    assert!(is("allow", &format!("{} --has totp@2m", url("/"))));
    assert!(is("public", &url("/healthz")) && !is("standard", &url("/healthz")));
    assert!(is("sensitive", &url("/api/x")) && !is("standard", &url("/api/x")));
    assert!(is(
        "deny",
        "--url https://payroll.example.com/ --user bob --groups sales --attr employment=staff"
    ));
    assert!(is(
        "deny",
        "--url https://payroll.example.com/ --user anna --groups hr --attr employment=contractor"
    ));
    assert!(is("deny", "--url https://payroll.example.com/ --user anna --groups hr"));
    assert!(is("sign-in", "--url https://payroll.example.com/"));
    assert!(is("deny", "--url https://other.example.com/"));
    assert!(is("deny", "--url https://payroll.example.com/a%2fb"));
}

#[test]
fn what_cannot_be_told_says_so() {
    let (text, _) = explained("--url https://payroll.example.com/ --user anna --groups hr").unwrap();
    assert!(text.contains("may  employment is not known  -> deny"), "{text}");
    assert!(
        text.ends_with(
            "decision: deny (denied)\nanswer: 403 page to a browser; to fetch(): 403 problem+json"
        ),
        "{text}"
    );
}

#[test]
fn every_reading_that_differs_is_shown() {
    let (text, _) =
        explained("--url https://payroll.example.com/static/../x --user anna --groups hr").unwrap();
    assert!(text.contains("read as /static/../x") && text.contains("read as /x"), "{text}");
}

#[test]
fn refusals_say_why() {
    let (text, _) = explained("--url https://payroll.example.com/a%00").unwrap();
    assert!(text.contains("decision: refuse (path_control)") && text.contains("answer: 400"), "{text}");
}

#[test]
fn json_has_the_same_steps() {
    let (text, _) = explained(
        "--url https://payroll.example.com/api/x --user anna --groups hr --attr employment=staff --json",
    )
    .unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["decision"], "challenge");
    assert_eq!(report["route"]["raises"][0]["applies"], "yes");
    assert_eq!(report["missing"][0]["level"], "sensitive");
    assert_eq!(report["answer"], "401 problem+json to everyone");
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for arguments in [
        "--url nowhere",
        "--url https://payroll.example.com/ --at yesterday",
        "--url https://payroll.example.com/ --user anna --has telepathy",
        "--url https://payroll.example.com/ --user anna --has totp@2",
        "--url https://payroll.example.com/ --user anna --attr x",
        "--url https://payroll.example.com/ --expect nonsense",
        "--url https://payroll.example.com/ --method G[T",
    ] {
        assert!(explained(arguments).is_err(), "{arguments}");
    }
}
