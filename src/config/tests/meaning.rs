//! What a file means, once it is read.

use std::time::Duration;

use super::super::settings::*;
use super::*;

#[test]
fn defaults() {
    let settings = settings(HEAD, &[]);
    assert_eq!(settings.server.listen[0].address.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.server.operations, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(settings.server.prefix, "/.stepgate");
    assert_eq!(settings.server.timeouts.headers, Duration::from_secs(10));
    assert_eq!(settings.storage.database, Path::new("/var/lib/stepgate/stepgate.db"));
    assert!(matches!(settings.identity[0].kind, IdentityKind::Local) && settings.identity[0].name == "local");
    assert_eq!(settings.sessions.absolute_timeout, Duration::from_hours(12));
    assert!(matches!(settings.enrolment.first_factor, FirstFactor::Invitation));
    let limits = &settings.limits;
    assert_eq!((limits.wrong_answers, limits.hard_stop, limits.per_network_per_minute), (5, 50, 60));
    assert_eq!(limits.window, Duration::from_mins(15));
    assert_eq!(settings.to_upstream.assertion.as_deref(), Some("Stepgate-Assertion"));
    assert_eq!(settings.factors.totp.issuer, "mfa.example.com");
    assert_eq!(settings.factors.recovery_codes.count, 10);
}

#[test]
fn built_in_levels() {
    let settings = settings(HEAD, &[]);
    let level = |name: &str| settings.levels.iter().find(|level| level.name == name).unwrap();
    assert!(level("signed-in").slots.is_empty());
    assert!(level("standard").slots[0].contains(FactorKind::RecoveryCode));
    assert_eq!(level("standard").valid_for, Some(Duration::from_hours(12)));
    let passkey = FactorSet::EMPTY.with(FactorKind::Passkey);
    assert_eq!(level("sensitive").slots, [passkey.with(FactorKind::Totp)]);
    assert_eq!(level("critical").slots, [passkey]);
    assert_eq!(level("critical").valid_for, Some(Duration::ZERO));
}

#[test]
fn the_state_directory_is_systemds_if_it_says_so() {
    let from = |variables: &[(&str, &str)]| settings(HEAD, variables).storage.database.clone();
    assert_eq!(from(&[("STATE_DIRECTORY", "/state/one:/state/two")]), Path::new("/state/one/stepgate.db"));
    // These have one underscore: they belong to the command line.
    assert_eq!(
        from(&[("STEPGATE_STATE_DIRECTORY", "/x"), ("STEPGATE_CONFIG", "/y")]),
        Path::new("/var/lib/stepgate/stepgate.db")
    );
}

#[test]
fn a_complete_file() {
    let directory = directory();
    let (loaded, shown) = run_in(directory.path(), &fixture("complete"), &[]);
    let settings = loaded.settings.unwrap_or_else(|| panic!("{shown}"));
    Policy::compile(&settings).unwrap();
    let at = |name: &str| directory.path().join(name);
    assert_eq!(settings.server.prefix, "/.gate");
    assert_eq!(settings.server.operations, None);
    let tls = &settings.server.tls.as_ref().unwrap().certificates[0];
    assert_eq!((&tls.certificate, &tls.key), (&at("tls.crt"), &at("secret")));
    assert_eq!(
        (&settings.storage.database, &settings.storage.state_directory),
        (&at("gate.db"), &at("state"))
    );
    assert!(loaded.files.contains(&at("secret")) && loaded.files.contains(&at("stepgate.yaml")));
    assert_eq!(settings.to_upstream.assertion, None);
    assert_eq!(settings.limits.per_network_per_minute, 120);
    assert!(matches!(settings.logging.format, LogFormat::Json));
    assert!(matches!(&settings.enrolment.first_factor, FirstFactor::When(When::All(all)) if all.len() == 2));
}

#[test]
fn identity_sources() {
    let settings = settings(&fixture("complete"), &[]);
    let IdentityKind::TrustedHeader(header) = &settings.identity[1].kind else {
        panic!()
    };
    assert_eq!(
        (header.user.as_str(), header.groups.as_deref()),
        ("X-Remote-User", Some("X-Remote-Groups"))
    );
    assert_eq!(header.attributes["employment"], "X-Employment");
    assert_eq!(header.from, ["10.0.0.10/32".parse().unwrap()]);
    let IdentityKind::Jwt(jwt) = &settings.identity[2].kind else {
        panic!()
    };
    assert_eq!(
        (jwt.names.user.as_str(), jwt.names.groups.as_str(), jwt.names.session.as_str()),
        ("email", "groups", "sid")
    );
    assert!(matches!(&jwt.key, JwtKey::Secret(_)) && jwt.algorithm == JwtAlgorithm::Hs256);
    let Loaded { settings, .. } = run(&fixture("c030-understood"), &[]).0;
    let IdentityKind::TrustedHeader(header) = &settings.unwrap().identity[0].kind.clone() else {
        panic!()
    };
    assert_eq!(header.from.len(), 2);
}

#[test]
fn presets_know_what_their_makers_promise() {
    let settings = settings(&fixture("identity-tokens"), &[]);
    let told: Vec<_> = settings
        .identity
        .iter()
        .filter_map(|source| match &source.kind {
            IdentityKind::Jwt(jwt) => Some(jwt),
            _ => None,
        })
        .map(|jwt| {
            let keys = match &jwt.key {
                JwtKey::Jwks(url) => url.as_str(),
                JwtKey::Secret(_) => "a secret",
                JwtKey::Public(_) => "a key",
            };
            (jwt.place.own_header().unwrap(), jwt.algorithm, keys, jwt.audiences.join(" "))
        })
        .collect();
    let aws = "https://public-keys.auth.elb.eu-west-1.amazonaws.com/";
    let expected = [
        (
            "Cf-Access-Jwt-Assertion",
            JwtAlgorithm::Rs256,
            "https://team.cloudflareaccess.com/cdn-cgi/access/certs",
            "tag",
        ),
        (
            "X-Goog-IAP-JWT-Assertion",
            JwtAlgorithm::Es256,
            "https://www.gstatic.com/iap/verify/public_key-jwk",
            "/projects/1/apps/a",
        ),
        ("X-Amzn-Oidc-Data", JwtAlgorithm::Es256, aws, "client"),
        (
            "X-Pomerium-Jwt-Assertion",
            JwtAlgorithm::Es256,
            "https://wiki.example.com/.well-known/pomerium/jwks.json",
            "wiki.example.com",
        ),
        (
            "X-Authentik-Jwt",
            JwtAlgorithm::Rs256,
            "https://auth.example.com/application/o/wiki/jwks/",
            "client",
        ),
        ("X-Authentik-Jwt", JwtAlgorithm::Hs256, "a secret", "client"),
    ];
    assert_eq!(
        told,
        expected.map(|(header, algorithm, keys, audience)| (header, algorithm, keys, audience.to_owned()))
    );
}

#[test]
fn conditions() {
    let settings = settings(&fixture("complete"), &[]);
    assert!(matches!(&settings.conditions["office"], Condition::Network(networks) if networks.len() == 2));
    let Condition::Time(window) = &settings.conditions["working-hours"] else {
        panic!()
    };
    assert_eq!((window.days, window.between), (0b11, Some((22 * 60, 6 * 60))));
    let Condition::User(staff) = &settings.conditions["staff"] else {
        panic!()
    };
    assert_eq!(staff["groups"], ["staff"]);
    let Condition::Query(query) = &settings.conditions["admin-action"] else {
        panic!()
    };
    assert_eq!(query["do"], ["admin", "true"]);
    assert!(query["debug"].is_empty(), "`true` without quotes is any value");
}

#[test]
fn routes() {
    let settings = settings(&fixture("complete"), &[]);
    let [wiki, grafana] = settings.routes.as_slice() else {
        panic!()
    };
    assert_eq!(wiki.hosts, ["wiki.example.com", "*.wiki.example.com"]);
    let upstream = wiki.upstream.as_ref().unwrap();
    assert_eq!(upstream.audience(), "http://127.0.0.1:8081");
    assert_eq!(wiki.host_header.as_deref(), Some("wiki.internal:8081"));
    let allow = wiki.allow.as_ref().unwrap();
    assert_eq!(
        (&allow.users[..], &allow.groups[..]),
        (&["anna".to_owned()][..], &["staff".to_owned()][..])
    );
    assert!(wiki.requirement.optional && wiki.encoded_slash == EncodedSlash::Judge);
    assert_eq!((wiki.max_body, grafana.max_body), (Some(1 << 20), Some(64 << 10)));
    let Require::Levels(ids) = &wiki.requirement.require else {
        panic!()
    };
    let names: Vec<_> = ids.iter().map(|id| settings.level(*id).unwrap().name.as_str()).collect();
    assert_eq!(names, ["seen", "sensitive"]);
    assert_eq!(
        (wiki.rules[0].requirement.require.clone(), &wiki.rules[0].method[..]),
        (Require::Public, &["GET".to_owned()][..])
    );
    assert_eq!(wiki.rules[3].requirement.require, Require::Deny);
    assert!(matches!(&wiki.rules[1].when, Some(When::All(all)) if matches!(all[1], When::Not(_))));
    assert!(wiki.rules[2].query["do"].is_empty() && wiki.rules[2].answer == Some(Answer::Status));
    assert!(
        wiki.raise[1].requirement.optional && matches!(&wiki.raise[0].when, When::Any(any) if any.len() == 2)
    );
    let source = fixture("complete");
    let line = |number: u32| source.lines().nth(number as usize - 1).unwrap();
    assert!(line(wiki.line).contains("name: wiki") && line(wiki.rules[2].line).contains("/admin/**"));
    assert_eq!((grafana.name.as_str(), grafana.answer), ("grafana.example.com", Answer::Status));
    assert_eq!(settings.floor.as_ref().unwrap().except, ["/healthz"]);
}

#[test]
fn requirements_absorb_and_ignore() {
    let text = format!(
        "{HEAD}routes:\n- {{ host: a, require: [standard, deny] }}\n- {{ host: b, require: [public, standard, standard] }}\n- {{ host: c, require: public }}\n"
    );
    let settings = settings(&text, &[]);
    let require: Vec<_> = settings.routes.iter().map(|route| route.requirement.require.clone()).collect();
    assert_eq!(require[0], Require::Deny);
    assert!(matches!(&require[1], Require::Levels(ids) if ids.len() == 1));
    assert_eq!(require[2], Require::Public);
}

#[test]
fn at_most_sixty_four_levels() {
    let levels = |count: usize| {
        let list: Vec<_> = (0..count).map(|at| format!("{{ name: l{at}, any_of: [totp] }}")).collect();
        format!("{HEAD}levels: [{}]\n", list.join(", "))
    };
    assert_eq!(settings(&levels(60), &[]).levels.len(), 64);
    assert_eq!(codes(&levels(61), &[]), ["SG-C015"]);
}

#[test]
fn a_rule_with_a_condition_hides_nothing() {
    let rules = |first: &str| {
        format!(
            "{HEAD}conditions: {{ office: {{ network: 10.0.0.0/8 }} }}\nroutes: [{{ host: a, upstream: \"http://a\", rules: [{{ {first}, require: public }}, {{ path: /a/b, method: GET, require: deny }}] }}]\n"
        )
    };
    for open in [
        "path: /a/**, when: office",
        "path: /a/**, query: { a: true }",
        "path: /a/**, method: POST",
        "path: /a/*.css",
    ] {
        assert_eq!(codes(&rules(open), &[]), Vec::<&str>::new(), "{open}");
    }
    for hiding in [
        "path: /a/**",
        "path: /a/**, method: [GET, POST]",
        "path: [/x, /a/*]",
        "method: GET",
        "path: /**/b",
    ] {
        assert_eq!(codes(&rules(hiding), &[]), ["SG-C010"], "{hiding}");
    }
}

#[test]
fn what_selects_nothing_is_no_way_to_select_everything() {
    let rule = |selector: &str| {
        format!("routes: [{{ host: a, upstream: \"http://a\", rules: [{{ {selector}, require: public }}] }}]")
    };
    let condition = |condition: &str| format!("conditions: {{ a: {{ {condition} }} }}");
    let level = |factors: &str| format!("levels: [{{ name: a, {factors} }}]");
    for text in [
        rule("path: []"),
        rule("method: []"),
        rule("when: []"),
        rule("when: { any: [] }"),
        rule("query: {}"),
        rule("query: { a: [] }"),
        condition("network: []"),
        condition("groups: []"),
        condition("user: {}"),
        condition("user: { a: [] }"),
        condition("query: {}"),
        condition("time: { days: [], zone: UTC }"),
        level("all_of: []"),
        level("all_of: [[]]"),
        "routes: [{ host: [], upstream: \"http://a\" }]".to_owned(),
        "routes: [{ host: a, upstream: \"http://a\", require: [] }]".to_owned(),
        "routes: [{ host: a, upstream: \"http://a\", allow: { groups: [] } }]".to_owned(),
        "floor: { require: [] }".to_owned(),
        "identity: []".to_owned(),
    ] {
        assert_eq!(codes(&format!("{HEAD}{text}\n"), &[]), ["SG-C011"], "{text}");
    }
    for text in [
        "routes: [{ host: a, upstream: \"http://a\", allow: {} }]".to_owned(),
        condition("time: { zone: UTC }"),
    ] {
        assert_eq!(codes(&format!("{HEAD}{text}\n"), &[]), ["SG-C012"], "{text}");
    }
}

/// Settings with these senders, and what is wrong with them.
fn senders(text: &str) -> (Option<Senders>, String) {
    let (loaded, shown) = run(&format!("{HEAD}{text}"), &[]);
    (loaded.settings.map(|settings| settings.senders.clone()), shown)
}

#[test]
fn a_channel_uses_the_senders_its_factor_names_else_all_that_carry_it() {
    let two = "senders:\n  first: { type: smtp, host: a.example.com, from: a@example.com }\n  \
               second: { type: smtp, host: b.example.com, from: B <b@example.com>, timeout: 5s }\n";
    let (all, shown) = senders(two);
    let all = all.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(all.routes[&Channel::Email], ["first", "second"]);
    assert!(all.routes[&Channel::Sms].is_empty());
    assert_eq!((all.list[0].timeout.as_secs(), all.list[1].timeout.as_secs()), (10, 5));
    let (named, shown) = senders(&format!("{two}factors: {{ email: {{ sender: second }} }}\n"));
    assert_eq!(named.unwrap_or_else(|| panic!("{shown}")).routes[&Channel::Email], ["second"]);
}

#[test]
fn a_sender_that_is_not_there_or_cannot_carry_it_is_named() {
    let one = "senders:\n  mail: { type: smtp, host: a.example.com, from: a@example.com }\n";
    for (text, words) in [
        (
            format!("{one}factors: {{ email: {{ sender: mial }} }}\n"),
            ["SG-C002", "senders are: mail"],
        ),
        ("factors: { email: { sender: mail } }\n".to_owned(), ["SG-C002", "there are none"]),
        (
            format!("{one}factors: {{ sms: {{ enabled: true }} }}\n"),
            ["SG-C012", "no sender can carry it"],
        ),
        (format!("{one}factors: {{ sms: {{ sender: mail }} }}\n"), ["SG-C012", "it is for email"]),
        (
            format!("{one}factors: {{ email: {{ sender: [mail, mail] }} }}\n"),
            ["SG-C007", "is here twice"],
        ),
    ] {
        let (settings, shown) = senders(&text);
        assert!(settings.is_none() && words.iter().all(|word| shown.contains(word)), "{text}\n{shown}");
    }
}

#[test]
fn smtp_takes_port_and_security_that_go_together() {
    let smtp = |keys: &str| {
        let (senders, shown) =
            senders(&format!("senders: {{ m: {{ type: smtp, from: a@example.com, {keys} }} }}\n"));
        senders
            .map(|senders| match &senders.list[0].kind {
                SenderKind::Smtp(smtp) => (smtp.host.clone(), smtp.port, smtp.security),
                _ => unreachable!("it says smtp"),
            })
            .ok_or(shown)
    };
    let at = |host: &str, port, security| Ok((host.to_owned(), port, security));
    assert_eq!(smtp("host: m.example.com"), at("m.example.com", 465, SmtpSecurity::Tls));
    assert_eq!(smtp("host: m.example.com, port: 587"), at("m.example.com", 587, SmtpSecurity::StartTls));
    assert_eq!(
        smtp("host: m.example.com, security: starttls"),
        at("m.example.com", 587, SmtpSecurity::StartTls)
    );
    assert_eq!(smtp("host: m.example.com, port: 2525"), at("m.example.com", 2525, SmtpSecurity::Tls));
    assert_eq!(smtp("host: \"[::1]\", security: none"), at("::1", 25, SmtpSecurity::Plain));
    for (keys, words) in [
        ("host: m.example.com, security: none", "SG-C022"),
        ("host: m.example.com, username: u", "`username` and `password` go together"),
        ("host: m.example.com, timeout: 2m", "from 1s to 30s"),
        ("host: \"https://m.example.com\"", "a host has no scheme"),
    ] {
        let shown = smtp(keys).unwrap_err();
        assert!(shown.contains(words), "{keys}\n{shown}");
    }
    let (settings, shown) =
        senders("senders: { m: { type: smtp, host: a.example.com, from: \"x\\r\\nBcc: b@example.com\" } }\n");
    assert!(settings.is_none() && shown.contains("this is no mail address"), "{shown}");
    let (settings, shown) =
        senders("senders: { \"a b\": { type: smtp, host: a.example.com, from: a@example.com } }\n");
    assert!(settings.is_none(), "{shown}");
}

#[test]
fn tokens_that_organisations_bring_along() {
    let settings = settings(
        &format!(
            "{HEAD}\nfactors:\n  radius: {{ enabled: true, servers: [{{ address: \"r:1812\", secret: 0123456789abcdef }}] }}\n  \
             yubikey: {{ enabled: true, client_id: 87, api_key: \"mG5be6ZJU1qBGz24yPh/ESM3UdU=\" }}\n  \
             hotp: {{ enabled: true, look_ahead: 20 }}\n"
        ),
        &[],
    );
    let factors = &settings.factors;
    let radius = &factors.radius;
    assert_eq!((radius.servers[0].address.as_str(), radius.label.as_str()), ("r:1812", "Company code"));
    assert_eq!(radius.message_authenticator, MessageAuthenticator::Required);
    assert_eq!(
        (radius.nas_identifier.as_str(), radius.timeout),
        ("mfa.example.com", Duration::from_secs(15))
    );
    assert_eq!(factors.yubikey.client_id, 87);
    assert_eq!(factors.yubikey.servers, ["https://api.yubico.com/wsapi/2.0/verify"]);
    assert_eq!(factors.hotp.look_ahead, 20);
    assert!(
        factors.enabled.contains(FactorKind::TemporaryCode) && factors.enabled.contains(FactorKind::Hotp)
    );
}

#[test]
fn an_app_whose_cookie_stays_the_same_has_one_site() {
    let told = |hosts: &str| {
        let source = "{ name: app, type: app-session, sign_out: /logout, watch: { path: /login, user: { form: user }, \
                      cookie: sid, success: { keeps_cookie: true } } }";
        let route = format!(
            "{{ name: App, host: {hosts}, upstream: \"http://127.0.0.1:9000\", require: signed-in }}"
        );
        run(&format!("{HEAD}identity:\n  - {source}\nroutes:\n  - {route}\n"), &[])
    };
    let (one, shown) = told("a.example.com");
    assert!(one.settings.is_some(), "{shown}");
    for hosts in ["[a.example.com, b.example.com]", "\"*.example.com\""] {
        let (several, shown) = told(hosts);
        assert!(several.settings.is_none() && shown.contains("known at several sites"), "{shown}");
    }
}
