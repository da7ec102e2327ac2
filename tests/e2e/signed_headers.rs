//! Signed headers of known products, in the very shape that their makers publish, and tokens that only
//! their holder may use.

use serde_json::{Value, json};

use crate::support::{Gate, Recorded, Setup, Signer, Upstream, ok, unix_now};

const ROUTES: &str = "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: signed-in, rules: [{ path: /open/**, require: public }] }
";

fn gate(upstream: &Upstream, source: &str) -> Gate {
    Setup::new(&ROUTES.replace("$UPSTREAM", &upstream.url()))
        .section("identity", &format!("[{{ name: edge, type: jwt, {source} }}]"))
        .start()
}

fn ask(gate: &Gate, headers: &[(&str, &str)]) -> u16 {
    let mut browser = gate.browser();
    browser.extra = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    browser.fetch("GET", &gate.url("localhost", "/page"), None).status
}

/// One product: how it is configured, and its header.
struct Product<'a> {
    source: String,
    header: &'a str,
    /// What it sends beside the token, unsigned.
    beside: &'a str,
    user: &'a str,
    groups: &'a [&'a str],
    claims: Value,
}

/// A good token names the person; one with any of these claims changed is nobody's; nothing of it, and
/// nothing that a client writes beside it, reaches the app.
fn holds(product: &Product<'_>, issuer: &Signer, app: &Upstream, gate: &Gate, wrong: &[(&str, Value)]) {
    let sign = |claims: &Value| issuer.token(claims);
    judge(product, app, gate, &sign(&product.claims));
    for (name, value) in wrong {
        let mut changed = product.claims.clone();
        changed[*name] = value.clone();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(*name);
        }
        assert_eq!(ask(gate, &[(product.header, &sign(&changed))]), 401, "{} {name}={value}", product.source);
    }
    let stranger = Signer::new(&issuer.id);
    assert_eq!(ask(gate, &[(product.header, &stranger.token(&product.claims))]), 401, "another key");
    assert!(app.take().is_empty());
}

fn judge(product: &Product<'_>, app: &Upstream, gate: &Gate, token: &str) {
    let headers = [(product.header, token), (product.beside, "mallory")];
    assert_eq!(ask(gate, &headers), 200, "{}\n{}", product.source, gate.log());
    let seen = app.take().pop().unwrap();
    assert_eq!(seen.twins("remote-user"), [product.user]);
    assert_eq!(
        seen.twins("remote-groups"),
        [product.groups.join(",")]
            .into_iter()
            .filter(|all| !all.is_empty())
            .collect::<Vec<_>>()
    );
    not_passed_on(&seen, product);
    let mut browser = gate.browser();
    let folded = product.header.replace('-', "_");
    for name in [product.header, product.beside, &folded] {
        browser.extra.push((name.to_owned(), token.to_owned()));
    }
    browser.fetch("GET", &gate.url("localhost", "/open/x"), None).expect(200);
    not_passed_on(&app.take().pop().unwrap(), product);
}

fn not_passed_on(seen: &Recorded, product: &Product<'_>) {
    for name in [product.header, product.beside] {
        assert!(seen.twins(name).is_empty(), "{name} reached the app");
    }
}

fn publishing(issuer: &Signer) -> Upstream {
    let keys = issuer.jwks();
    Upstream::answering(move |_| ok(&keys))
}

#[test]
fn google_iap_as_google_describes_it() {
    let (app, issuer) = (Upstream::start(), Signer::new("2nMJtw"));
    let keys = publishing(&issuer);
    let audience = "/projects/123456789012/global/backendServices/987";
    let product = Product {
        source: format!("preset: google-iap, audience: \"{audience}\", jwks: \"{}/keys\"", keys.url()),
        header: "x-goog-iap-jwt-assertion",
        beside: "X-Goog-Authenticated-User-Email",
        user: "anna@example.com",
        groups: &[],
        claims: json!({
            "iss": "https://cloud.google.com/iap", "aud": audience, "email": "anna@example.com", "hd": "example.com",
            "sub": "accounts.google.com:118133858486581853996", "iat": unix_now() - 2, "exp": unix_now() + 598,
            "google": { "access_levels": ["accessPolicies/1/accessLevels/corp"] }, "azp": audience,
        }),
    };
    let gate = gate(&app, &product.source);
    let wrong = [
        ("aud", json!("/projects/123456789012/global/backendServices/988")),
        ("iss", json!("https://cloud.google.com")),
        ("exp", json!(unix_now() - 1)),
        ("iat", json!(unix_now() + 120)),
        ("email", Value::Null),
        ("sub", Value::Null),
    ];
    holds(&product, &issuer, &app, &gate, &wrong);
}

#[test]
fn pomerium_as_pomerium_describes_it() {
    let (app, issuer) = (
        Upstream::start(),
        Signer::new("ccc5bc9d835ff3c8f7075ed4a7510159cf440fd7bf7b517b5caeb1fa419ee6a1"),
    );
    let keys = publishing(&issuer);
    let product = Product {
        source: format!("preset: pomerium, issuer: wiki.example.com, jwks: \"{}/keys\"", keys.url()),
        header: "X-Pomerium-Jwt-Assertion",
        beside: "X-Pomerium-Claim-Email",
        user: "anna@example.com",
        groups: &["hr", "finance"],
        claims: json!({
            "aud": "wiki.example.com", "iss": "wiki.example.com", "email": "anna@example.com", "name": "Anna",
            "groups": ["hr", "finance"], "jti": "a2ff3d1f-2a5f-4d3c-a5e7-7d4b9d0a3d4e", "sid": "1dEqMiBLpsQr",
            "sub": "google/114235", "user": "google/114235", "iat": unix_now() - 2, "exp": unix_now() + 298,
        }),
    };
    let gate = gate(&app, &product.source);
    let wrong = [
        ("aud", json!("other.example.com")),
        ("iss", json!("other.example.com")),
        ("exp", Value::Null),
        ("email", json!("anna@example.com\n")),
    ];
    let (last, first) = wrong.split_last().unwrap();
    holds(&product, &issuer, &app, &gate, first);
    let mut changed = product.claims.clone();
    changed[last.0] = last.1.clone();
    assert_eq!(ask(&gate, &[(product.header, &issuer.token(&changed))]), 400, "the grammar of identities");
}

#[test]
fn aws_load_balancers_as_aws_describes_them() {
    const SIGNER: &str =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/front/50dc6c495c0c9188";
    let (app, issuer) = (Upstream::start(), Signer::new("12345678-1234-1234-1234-123456789012"));
    let (pem, path) = (issuer.pem(), format!("/keys/{}", issuer.id));
    let keys = Upstream::answering(move |request| {
        if request.target() == path {
            ok(&pem)
        } else {
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
    });
    let source = format!(
        "preset: aws-alb, signer: \"{SIGNER}\", issuer: \"https://idp.example/\", audience: client-1, jwks: \"{}/keys\"",
        keys.url()
    );
    let claims = json!({
        "sub": "4a5b-anna", "name": "Anna", "email": "anna@example.com", "exp": unix_now() + 120, "iss": "https://idp.example/",
    });
    let header = json!({
        "typ": "JWT", "kid": issuer.id, "alg": "ES256", "iss": "https://idp.example/", "client": "client-1",
        "signer": SIGNER, "exp": unix_now() + 120,
    });
    let product = Product {
        source,
        header: "x-amzn-oidc-data",
        beside: "x-amzn-oidc-identity",
        user: "4a5b-anna",
        groups: &[],
        claims,
    };
    let gate = gate(&app, &product.source);
    let good = issuer.sign_padded(&header, &product.claims);
    assert!(good.contains('='), "the quirk that this is about");
    judge(&product, &app, &gate, &good);
    // Without its padding it is not what was signed.
    assert_eq!(ask(&gate, &[(product.header, &good.replace('=', ""))]), 401);
    for (name, value) in [
        ("signer", json!(SIGNER.replace("front", "other"))),
        ("signer", Value::Null),
        ("client", json!("client-2")),
        ("iss", json!("https://evil.example/")),
        ("exp", json!(unix_now() - 1)),
        ("exp", json!((unix_now() + 120).to_string())),
        ("alg", json!("none")),
        ("jku", json!(keys.url())),
        ("kid", json!("../../etc")),
        ("kid", json!("00000000-0000-0000-0000-000000000000")),
    ] {
        let mut changed = header.clone();
        changed[name] = value.clone();
        let token = issuer.sign_padded(&changed, &product.claims);
        assert_eq!(ask(&gate, &[(product.header, &token)]), 401, "{name}={value}");
    }
    for (name, value) in [
        ("exp", json!(unix_now() - 1)),
        ("iss", json!("https://evil.example/")),
    ] {
        let mut changed = product.claims.clone();
        changed[name] = value.clone();
        assert_eq!(
            ask(&gate, &[(product.header, &issuer.sign_padded(&header, &changed))]),
            401,
            "{name}={value}"
        );
    }
    let thief = Signer::new(&issuer.id).sign_padded(&header, &product.claims);
    assert_eq!(ask(&gate, &[(product.header, &thief)]), 401);
    let asked: Vec<String> = keys.take().iter().map(Recorded::target).collect();
    assert_eq!(asked.iter().filter(|target| target.ends_with(&issuer.id)).count(), 1, "{asked:?}");
    assert!(asked.iter().all(|target| !target.contains("..")), "{asked:?}");
}

/// RS256, by openssl.
#[test]
fn cloudflare_access_and_authentik_as_they_are_described() {
    let (app, issuer) = (Upstream::start(), crate::identity::Issuer::new());
    let keys = issuer.jwks(&["one"]);
    let keys = Upstream::answering(move |_| ok(&keys));
    let audience = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";
    let cloudflare = Product {
        source: format!(
            "preset: cloudflare-access, issuer: \"https://team.cloudflareaccess.com\", audience: {audience}, jwks: \"{}/keys\"",
            keys.url()
        ),
        header: "Cf-Access-Jwt-Assertion",
        beside: "Cf-Access-Authenticated-User-Email",
        user: "anna@example.com",
        groups: &["hr"],
        claims: json!({
            "aud": [audience], "email": "anna@example.com", "exp": unix_now() + 60, "iat": unix_now(), "nbf": unix_now(),
            "iss": "https://team.cloudflareaccess.com", "type": "app", "identity_nonce": "6ei69kawdKzMIAPF",
            "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "US", "custom": { "groups": ["hr"] },
        }),
    };
    let authentik = Product {
        source: format!(
            "preset: authentik, issuer: \"https://auth.example/application/o/wiki/\", audience: client-1, jwks: \"{}/keys\"",
            keys.url()
        ),
        header: "X-authentik-jwt",
        beside: "X-authentik-username",
        user: "anna",
        groups: &["hr"],
        claims: json!({
            "iss": "https://auth.example/application/o/wiki/", "sub": "9003", "aud": "client-1", "exp": unix_now() + 60,
            "iat": unix_now(), "auth_time": unix_now() - 9, "acr": "goauthentik.io/providers/oauth2/default", "sid": "s1",
            "email": "anna@example.com", "email_verified": true, "name": "Anna", "preferred_username": "anna",
            "nickname": "anna", "groups": ["hr"], "ak_proxy": { "user_attributes": {}, "is_superuser": false },
        }),
    };
    let header = json!({ "alg": "RS256", "kid": "one", "typ": "JWT" });
    for product in [cloudflare, authentik] {
        let gate = gate(&app, &product.source);
        judge(&product, &app, &gate, &issuer.sign("one", &header, &product.claims));
        for (name, value) in [
            ("aud", json!("other")),
            ("iss", json!("https://evil.example")),
            ("exp", json!(1)),
        ] {
            let mut changed = product.claims.clone();
            changed[name] = value.clone();
            let token = issuer.sign("one", &header, &changed);
            assert_eq!(ask(&gate, &[(product.header, &token)]), 401, "{name}={value}");
        }
    }
}

/// RFC 9449, through the built binary.
#[test]
fn a_bound_token_is_its_holder_s_alone() {
    let (app, issuer) = (Upstream::start(), Signer::new("one"));
    let keys = publishing(&issuer);
    let common = format!(
        "header: Authorization, algorithm: ES256, issuer: \"https://sso.example\", audience: stepgate, jwks: \"{}/keys\"",
        keys.url()
    );
    let gate = gate(&app, &common);
    let (holder, thief) = (Signer::new("holder"), Signer::new("thief"));
    let mut claims = json!({
        "iss": "https://sso.example", "aud": "stepgate", "sub": "Anna", "iat": unix_now() - 5, "exp": unix_now() + 600,
    });
    let free = issuer.token(&claims);
    claims["cnf"] = json!({ "jkt": holder.thumbprint() });
    let token = issuer.token(&claims);
    let page = gate.url("localhost", "/page");
    let bound = |proof: &str| ask(&gate, &[("Authorization", &format!("DPoP {token}")), ("DPoP", proof)]);
    let proof = holder.proof("GET", &page, &token);
    assert_eq!(bound(&proof), 200, "{}", gate.log());
    assert_eq!(bound(&proof), 401, "the same proof again");
    assert_eq!(
        bound(&holder.proof("GET", &format!("{page}?x=1#y"), &token)),
        200,
        "without query and fragment"
    );
    for (what, proof) in [
        ("another method", holder.proof("POST", &page, &token)),
        ("another path", holder.proof("GET", &gate.url("localhost", "/other"), &token)),
        ("another site", holder.proof("GET", &page.replace("localhost", "other.localhost"), &token)),
        ("another token", holder.proof("GET", &page, &free)),
        ("another key", thief.proof("GET", &page, &token)),
    ] {
        assert_eq!(bound(&proof), 401, "{what}");
    }
    assert_eq!(ask(&gate, &[("Authorization", &format!("DPoP {token}"))]), 401, "no proof");
    let fresh = holder.proof("GET", &page, &token);
    assert_eq!(
        ask(&gate, &[("Authorization", &format!("Bearer {token}")), ("DPoP", &fresh)]),
        401,
        "as a bearer"
    );
    assert_eq!(
        ask(&gate, &[("Authorization", &format!("Bearer {free}"))]),
        200,
        "one that is bound to nothing"
    );
    app.take();

    let strict = self::gate(&app, &format!("{common}, dpop: required"));
    assert_eq!(ask(&strict, &[("Authorization", &format!("Bearer {free}"))]), 401);
    let page = strict.url("localhost", "/page");
    let proof = holder.proof("GET", &page, &token);
    let headers = [("Authorization", &*format!("DPoP {token}")), ("DPoP", &*proof)];
    assert_eq!(ask(&strict, &headers), 200);
}
