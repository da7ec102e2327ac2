//! Adding a way to confirm (ux.md P-20, P-21, P-27).
//!
//! What is shown of a secret lives on the server until it is confirmed, and is shown only to the
//! person in the session that began it.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::challenge::answered;
use super::detour::{Detour, Reply, page, see_other};
use super::fields::{Fields, Posted};
use super::invitation;
use super::onward::{Onward, Params};
use super::qr::Qr;
use super::state::Portal;
use super::told::{self, Told};
use super::views::enrol::{Choose, Confirm, Country, Details, Offer, RecoveryCodes, Totp};
use super::views::notice::Notice;
use super::views::{Hidden, Link, Problem};
use super::{new_passkey, text};
use crate::api::{Failure, Visit};
use crate::challenge::ChallengeError;
use crate::challenge::view::{Beginning, Caller, Change, ChangePermission, Outcome, PendingEnrolment, Start};
use crate::config::FactorKind;
use crate::delivery::numbers::{self, Use};
use crate::factors::{Answer, EnrolError, SAVED, Setup};

/// What can be added; or, with an invitation, the question whether to take it.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    let onward = &params.onward;
    let caller = portal.signed_in(&visit, &onward.toward("enrol"))?;
    if let Some(invitation) = &onward.invitation {
        return Ok(invitation::landing(&portal, &visit, onward, invitation));
    }
    may_change(&portal, caller, onward, "enrol").await?;
    let lead = match portal.app_of(onward).await {
        Some(app) => text::app_needs_more(&app),
        None => text::ADD_WHY.to_owned(),
    };
    let until = portal.grace_until(caller).await?;
    let back = if until.is_some() {
        text::NOT_NOW
    } else {
        text::CANCEL
    };
    let view = Choose {
        shell: portal.shell(text::ADD_A_WAY, &visit),
        action: onward.journey_only().on(&portal.frame.url("enrol")),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visit.visitor)),
        lead,
        until,
        offers: portal
            .services
            .challenges
            .addable()
            .into_iter()
            .map(|one| Offer::from(one.factor))
            .collect(),
        back: Some(Link::new(portal.frame.url("my-mfa"), back)),
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

/// Begins an enrolment of the chosen kind.
pub async fn begin(State(portal): State<Portal>, params: Params, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    let onward = params.onward.journey_only();
    let caller = portal.signed_in(&visit, &onward.toward("enrol"))?;
    portal.services.passage.admit(visit.visitor.address)?;
    let kind = FactorKind::from_name(fields.get("factor"));
    let kind = kind.ok_or(Failure::BadRequest("there is no such way to confirm"))?;
    may_change(&portal, caller, &onward, place_of(kind)).await?;
    let challenges = &portal.services.challenges;
    let addable = challenges.addable().into_iter().find(|one| one.factor == kind);
    let needed = addable.map(|one| one.details).unwrap_or_default();
    let said: BTreeMap<String, String> = ["number", "country", "address"]
        .map(|name| (name.to_owned(), fields.get(name).to_owned()))
        .into();
    let said: BTreeMap<_, _> = said.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    if !needed.is_empty() && said.is_empty() {
        return Err(Detour::To(onward.on(&portal.frame.url(&format!("enrol/new/{}", kind.name())))));
    }
    let pending = match challenges.begin_enrolment(caller, kind, &said).await {
        Ok(pending) => pending,
        Err(ChallengeError::Enrol(EnrolError::Detail { field, why })) => {
            let problem = Problem::new(field, text::refusal(why));
            return Ok(details_page(&portal, &visit, &onward, kind, Some((problem, &fields))));
        }
        Err(error) => return Err(error.into()),
    };
    let place = onward.on(&portal.frame.url(&format!("enrol/{}", pending.id)));
    if matches!(pending.setup, Setup::Sent { .. }) {
        let start = Start { choice: String::new(), onward: onward.on("") };
        return match challenges.start_enrolment(caller, &pending.id, &start).await? {
            Some(Beginning::Begun(_) | Beginning::Doubtful(_)) | None => Err(Detour::To(place)),
            Some(other) => {
                let now = portal.services.passage.now();
                let told = |kind| told::not_begun(kind, &other, now);
                pending_again(&portal, &visit, &onward, &pending.id, told).await
            }
        };
    }
    Err(Detour::To(place))
}

/// Asks for what has to be known before a kind can be added.
pub async fn ask_details(
    State(portal): State<Portal>,
    Path(kind): Path<String>,
    params: Params,
    visit: Visit,
) -> Reply {
    let onward = params.onward.journey_only();
    let caller = portal.signed_in(&visit, &onward.toward("enrol"))?;
    may_change(&portal, caller, &onward, "enrol").await?;
    let kind = FactorKind::from_name(&kind).ok_or(Failure::NotFound)?;
    Ok(details_page(&portal, &visit, &onward, kind, None))
}

fn details_page(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    kind: FactorKind,
    told: Option<(Problem, &Fields)>,
) -> Response {
    let addable = portal.services.challenges.addable().into_iter().find(|one| one.factor == kind);
    let account = visit
        .visitor
        .caller
        .as_ref()
        .and_then(|caller| caller.identity.email.as_deref().map(str::to_owned));
    let said = |name: &str| told.as_ref().map(|(_, fields)| fields.get(name).to_owned());
    let status = if told.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let token = Hidden::token(portal.services.passage.csrf_token(&visit.visitor));
    let view = Details {
        shell: portal.shell(text::adding(kind), visit).failed(told.is_some()),
        title: text::adding(kind),
        kind,
        action: onward.on(&portal.frame.url("enrol")),
        hidden: token.with("factor", kind.name()),
        details: addable.as_ref().map(|one| one.details).unwrap_or_default(),
        countries: addable
            .iter()
            .flat_map(|one| &one.countries)
            .map(|code| country(code, kind))
            .collect(),
        country: said("country").unwrap_or_default(),
        number: said("number").unwrap_or_default(),
        address: said("address").or(account).unwrap_or_default(),
        back: onward.on(&portal.frame.url("enrol")),
        problem: told.map(|(problem, _)| problem),
    };
    page(portal.frame.page(status, &view), Vec::new())
}

/// A country as it is chosen: "Germany (+49)".
fn country(code: &str, kind: FactorKind) -> Country {
    let what_for = if kind == FactorKind::Voice {
        Use::Call
    } else {
        Use::Text
    };
    let example =
        numbers::example(code, what_for).map(|number| text::number_example(text::country(code), &number));
    let name = text::country(code);
    let name = match numbers::calling_code(code) {
        Some(calling) => format!("{name} (+{calling})"),
        None => name.to_owned(),
    };
    Country { code: code.to_owned(), name, example }
}

/// The page of an enrolment that waits, with what there is to say.
pub async fn pending_again(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    id: &str,
    told: impl FnOnce(FactorKind) -> Told,
) -> Reply {
    pending_named(portal, visit, onward, id, told, None).await
}

/// Key and QR code, or the codes, until they are confirmed.
pub async fn show_pending(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    params: Params,
    visit: Visit,
) -> Reply {
    let caller = portal.signed_in(&visit, &params.onward)?;
    match portal.services.challenges.pending(caller, &id).await? {
        Some(pending) => pending_page(&portal, &visit, &params.onward, pending, Told::default(), None),
        None => Ok(gone(&portal, &visit, &params.onward)),
    }
}

/// The codes as a file, as long as the page shows them.
pub async fn download(State(portal): State<Portal>, Path(id): Path<String>, visit: Visit) -> Reply {
    let caller = portal.signed_in(&visit, &Onward::default())?;
    let pending = portal.services.challenges.pending(caller, &id).await?;
    let Some(Setup::RecoveryCodes { codes }) = pending.map(|pending| pending.setup) else {
        return Err(Failure::NotFound.into());
    };
    let head = text::recovery_file_head(portal.frame.brand(), caller.identity.display_name());
    let body = format!("{head}\n{}\n", codes.join("\n"));
    let file = portal.frame.text_file(body, "attachment; filename=\"recovery-codes.txt\"");
    Ok(page(file, Vec::new()))
}

/// A first code back, or the word that the codes are saved.
pub async fn confirm(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    params: Params,
    posted: Posted,
) -> Reply {
    let Posted { visit, fields } = posted;
    let onward = &params.onward;
    let caller = portal.signed_in(&visit, onward)?;
    portal.services.passage.admit(visit.visitor.address)?;
    let answer = if fields.get("saved") == "yes" {
        Answer::Code(SAVED.to_owned())
    } else {
        answered(&fields)
    };
    let name = fields.get("name");
    let outcome = portal.services.challenges.confirm_enrolment(caller, &id, name, answer).await;
    if let Err(ChallengeError::BadName) = outcome {
        let told = Told { problem: Some(Problem::new("name", text::NAME_LONG)), ..Told::default() };
        return pending_named(&portal, &visit, onward, &id, |_| told, Some(name)).await;
    }
    after_confirming(&portal, &visit, onward, &id, name, outcome, fields.get("code")).await
}

/// The page after a confirmation that came from another site.
pub async fn confirmed(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    id: &str,
    name: &str,
    answer: Answer,
) -> Reply {
    let caller = portal.signed_in(visit, onward)?;
    let outcome = portal.services.challenges.confirm_enrolment(caller, id, name, answer).await;
    after_confirming(portal, visit, onward, id, name, outcome, "").await
}

async fn after_confirming(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    id: &str,
    name: &str,
    outcome: Result<Option<Outcome>, ChallengeError>,
    code: &str,
) -> Reply {
    let caller = portal.signed_in(visit, onward)?;
    match outcome {
        Ok(Some(Outcome::Passed { proof, browser, .. })) => {
            let arrival = portal
                .services
                .passage
                .arrive(&visit.visitor, Some(proof.clone()), browser, None)
                .await?;
            if proof.factor == FactorKind::Passkey {
                let named = portal.frame.url(&new_passkey::place(&proof.enrolment));
                return Ok(see_other(&onward.journey_only().on(&named), arrival.cookies));
            }
            let caller = Caller { proofs: [caller.proofs.as_slice(), &[proof]].concat(), ..caller.clone() };
            Ok(see_other(&next(portal, &caller, onward).await?, arrival.cookies))
        }
        Ok(Some(Outcome::Saved)) => Ok(see_other(&added(portal, onward), Vec::new())),
        Ok(Some(Outcome::Locked(locked))) => Err(Failure::Locked(locked).into()),
        Ok(None | Some(Outcome::Expired)) => Ok(gone(portal, visit, onward)),
        Ok(Some(outcome)) => {
            let told = |kind| told::of(kind, Some(&outcome), code);
            pending_named(portal, visit, onward, id, told, Some(name)).await
        }
        Err(ChallengeError::NotPermitted(_)) => Err(needs_proof(portal, onward, "enrol")),
        Err(error) => Err(error.into()),
    }
}

async fn pending_named(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    id: &str,
    told: impl FnOnce(FactorKind) -> Told,
    name: Option<&str>,
) -> Reply {
    let caller = portal.signed_in(visit, onward)?;
    match portal.services.challenges.pending(caller, id).await? {
        Some(pending) => {
            let told = told(pending.factor);
            pending_page(portal, visit, onward, pending, told, name)
        }
        None => Ok(gone(portal, visit, onward)),
    }
}

/// After a first way: codes for the day the phone is gone. Else where the person was going.
///
/// # Errors
/// When the store cannot be asked.
pub async fn next(portal: &Portal, caller: &Caller, onward: &Onward) -> Result<String, Failure> {
    if portal.services.lacks_recovery_codes(caller).await? {
        let codes = portal
            .services
            .challenges
            .begin_enrolment(caller, FactorKind::RecoveryCode, &BTreeMap::new())
            .await;
        // The way that was just added counts whether or not codes can be offered now.
        if let Ok(codes) = codes {
            return Ok(onward.journey_only().on(&portal.frame.url(&format!("enrol/{}", codes.id))));
        }
    }
    Ok(added(portal, onward))
}

fn added(portal: &Portal, onward: &Onward) -> String {
    going_on(portal, onward, "my-mfa?done=added")
}

/// On with the journey, or to this page of ours.
fn going_on(portal: &Portal, onward: &Onward, page: &str) -> String {
    match onward.journey {
        Some(_) => onward.journey_only().on(&portal.frame.url("challenge")),
        None => portal.frame.url(page),
    }
}

/// Leads away from a change that is not permitted yet.
///
/// # Errors
/// When a proof or an invitation is needed first.
pub async fn may_change(portal: &Portal, caller: &Caller, onward: &Onward, page: &str) -> Result<(), Detour> {
    match portal.services.challenges.permission(caller, change_at(page)).await? {
        ChangePermission::Granted => Ok(()),
        ChangePermission::NeedsProof => Err(needs_proof(portal, onward, page)),
        ChangePermission::NeedsInvitation => Err(invitation::needed(portal, caller).await?),
    }
}

/// What a page of ours is there to change.
pub fn change_at(page: &str) -> Change {
    if page.starts_with("enrol") {
        Change::Add
    } else {
        Change::Other
    }
}

/// Where a person asks for this kind of factor.
fn place_of(kind: FactorKind) -> &'static str {
    match Change::enrolling(kind) {
        Change::Add => "enrol",
        Change::Other => "my-mfa/recovery-codes",
    }
}

pub fn needs_proof(portal: &Portal, onward: &Onward, page: &str) -> Detour {
    Detour::To(onward.journey_only().toward(page).on(&portal.frame.url("challenge")))
}

fn pending_page(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    pending: PendingEnrolment,
    told: Told,
    name: Option<&str>,
) -> Reply {
    let failed = told.problem.is_some();
    let status = if failed {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let hidden = Hidden::token(portal.services.passage.csrf_token(&visit.visitor));
    let place = portal.frame.url(&format!("enrol/{}", pending.id));
    let action = onward.on(&place);
    let shell = |title: &str| portal.shell(title, visit).failed(failed);
    let html = match pending.setup {
        Setup::Totp { key, uri } => {
            let qr =
                Qr::new(&uri).ok_or_else(|| Failure::Unavailable("the key fits no QR code".to_owned()))?;
            let view = Totp {
                shell: shell(text::TOTP_TITLE),
                action,
                hidden,
                qr,
                uri,
                key: Totp::grouped(&key),
                name: name.map_or(pending.name, str::to_owned),
                value: told.value,
                back: portal.frame.url("my-mfa"),
                problem: told.problem,
            };
            portal.frame.page(status, &view)
        }
        Setup::RecoveryCodes { codes } => {
            let view = RecoveryCodes {
                shell: shell(text::RECOVERY_TITLE),
                action,
                hidden,
                codes,
                download: format!("{place}/{}", text::RECOVERY_FILE_NAME),
                skip: going_on(portal, onward, "my-mfa"),
                problem: told.problem.map(|_| Problem::new("saved", text::SAVED_MISSING)),
            };
            portal.frame.page(status, &view)
        }
        setup => {
            let (to, others) = match &setup {
                Setup::Sent { to } => {
                    (to.clone(), Some(onward.journey_only().on(&portal.frame.url("enrol"))))
                }
                _ => (String::new(), None),
            };
            // Where the browser cannot make one, what is needed is the list of the others.
            let back = match &setup {
                Setup::Passkey { .. } => onward.journey_only().on(&portal.frame.url("enrol")),
                _ => portal.frame.url("my-mfa"),
            };
            let view = Confirm {
                shell: shell(text::adding(pending.factor)),
                title: text::adding(pending.factor),
                kind: pending.factor,
                action,
                start: onward.on(&format!("{place}/start")),
                hidden,
                resend: matches!(setup, Setup::Sent { .. } | Setup::Redirect | Setup::Approve),
                to,
                setup,
                prompt: pending.prompt,
                started: pending.started,
                said: told.status,
                value: told.value,
                back,
                others,
                problem: told.problem,
                now: portal.services.passage.now(),
            };
            portal.frame.page(status, &view)
        }
    };
    Ok(page(html, Vec::new()))
}

fn gone(portal: &Portal, visit: &Visit, onward: &Onward) -> Response {
    let again = onward.journey_only().on(&portal.frame.url("enrol"));
    let view = Notice {
        shell: portal.shell(text::SETUP_GONE, visit),
        lines: vec![text::SETUP_GONE_WHY.into()],
        links: vec![
            Link::new(portal.frame.url("my-mfa"), text::GO_TO_SETTINGS),
            Link::new(again, text::START_AGAIN),
        ],
    };
    page(portal.frame.page(StatusCode::GONE, &view), Vec::new())
}
