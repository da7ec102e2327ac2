//! The one list of what the API can do: the router and the OpenAPI document are both made from it,
//! so neither can know an operation that the other does not.

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post};

use super::services::Services;
use super::{browsers, challenges, enrolments, openapi, passwords, session};

/// One operation.
pub struct Operation {
    /// Lower case, as OpenAPI writes it.
    pub method: &'static str,
    /// Below `api/v1`.
    pub path: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    /// Name of the body's schema.
    pub body: Option<&'static str>,
    /// Status and schema of each good answer.
    pub answers: &'static [(u16, &'static str)],
    /// Statuses of its problems.
    pub problems: &'static [u16],
    pub handler: fn() -> MethodRouter<Services>,
}

/// Every operation, in the order of the steps.
pub const OPERATIONS: [Operation; 18] = [
    Operation {
        method: "post",
        path: "/sign-in",
        id: "signIn",
        summary: "Sign in with a user name and a password",
        body: Some("Credentials"),
        answers: &[(200, "Session")],
        problems: &[400, 401, 403, 404, 415, 429, 503],
        handler: || post(session::sign_in),
    },
    Operation {
        method: "post",
        path: "/sign-in/passkey/start",
        id: "beginPasskeySignIn",
        summary: "Begin to sign in with a passkey alone",
        body: Some("Empty"),
        answers: &[(200, "PasskeySignIn")],
        problems: &[400, 403, 404, 415, 429, 503],
        handler: || post(session::begin_passkey),
    },
    Operation {
        method: "post",
        path: "/sign-in/passkey",
        id: "signInByPasskey",
        summary: "Sign in with a passkey; this proves it, too",
        body: Some("PasskeyAnswer"),
        answers: &[(200, "Session")],
        problems: &[400, 401, 403, 404, 415, 429, 503],
        handler: || post(session::sign_in_by_passkey),
    },
    Operation {
        method: "post",
        path: "/password",
        id: "changePassword",
        summary: "Choose another password: one's own, with a sign-in's ticket, or with a mailed link",
        body: Some("ChangePassword"),
        answers: &[(204, ""), (200, "Session")],
        problems: &[400, 401, 403, 404, 410, 415, 422, 429, 503],
        handler: || post(passwords::change),
    },
    Operation {
        method: "post",
        path: "/password/link",
        id: "mailPasswordLink",
        summary: "Have a link for a new password mailed; says nothing about whether there is somebody",
        body: Some("AskPasswordLink"),
        answers: &[(202, "")],
        problems: &[400, 403, 404, 415, 429],
        handler: || post(passwords::ask_link),
    },
    Operation {
        method: "get",
        path: "/session",
        id: "session",
        summary: "Who is signed in, and what they have proved",
        body: None,
        answers: &[(200, "Session")],
        problems: &[400, 503],
        handler: || get(session::session),
    },
    Operation {
        method: "post",
        path: "/challenges",
        id: "beginChallenge",
        summary: "What is missing to go somewhere, and the ways to prove it",
        body: Some("BeginChallenge"),
        answers: &[(201, "Challenge"), (200, "NothingMissing")],
        problems: &[400, 401, 403, 415, 429, 503],
        handler: || post(challenges::begin),
    },
    Operation {
        method: "post",
        path: "/challenges/{id}/start",
        id: "startChallenge",
        summary: "Choose a way, and begin what it needs",
        body: Some("StartChallenge"),
        answers: &[(200, "Started")],
        problems: &[400, 401, 403, 404, 410, 415, 422, 429, 503],
        handler: || post(challenges::start),
    },
    Operation {
        method: "post",
        path: "/challenges/{id}/answer",
        id: "answerChallenge",
        summary: "Answer; a right answer sets the session cookie",
        body: Some("AnswerChallenge"),
        answers: &[(200, "Passed")],
        problems: &[400, 401, 403, 404, 409, 410, 415, 422, 429, 503],
        handler: || post(challenges::answer),
    },
    Operation {
        method: "get",
        path: "/enrolments",
        id: "listEnrolments",
        summary: "One's own factors",
        body: None,
        answers: &[(200, "Enrolments")],
        problems: &[400, 401, 503],
        handler: || get(enrolments::list),
    },
    Operation {
        method: "post",
        path: "/enrolments",
        id: "beginEnrolment",
        summary: "Begin to add a factor",
        body: Some("BeginEnrolment"),
        answers: &[(201, "PendingEnrolment")],
        problems: &[400, 401, 403, 415, 422, 429, 503],
        handler: || post(enrolments::begin),
    },
    Operation {
        method: "post",
        path: "/enrolments/{id}/start",
        id: "startEnrolment",
        summary: "Begin what the confirmation of a new factor needs, or send its code again",
        body: Some("StartEnrolment"),
        answers: &[(200, "StartedEnrolment")],
        problems: &[400, 401, 403, 404, 410, 415, 422, 429, 503],
        handler: || post(enrolments::start),
    },
    Operation {
        method: "post",
        path: "/enrolments/{id}/confirm",
        id: "confirmEnrolment",
        summary: "Confirm a new factor; a code sets the session cookie",
        body: Some("ConfirmEnrolment"),
        answers: &[(200, "Enrolled")],
        problems: &[400, 401, 403, 404, 409, 410, 415, 422, 429, 503],
        handler: || post(enrolments::confirm),
    },
    Operation {
        method: "delete",
        path: "/enrolments/{id}",
        id: "removeEnrolment",
        summary: "Remove one of one's own factors",
        body: None,
        answers: &[(204, "")],
        problems: &[400, 401, 403, 404, 429, 503],
        handler: || delete(enrolments::remove),
    },
    Operation {
        method: "get",
        path: "/trusted-browsers",
        id: "listTrustedBrowsers",
        summary: "Browsers in which one is not asked again",
        body: None,
        answers: &[(200, "TrustedBrowsers")],
        problems: &[400, 401, 503],
        handler: || get(browsers::list),
    },
    Operation {
        method: "delete",
        path: "/trusted-browsers/{id}",
        id: "forgetTrustedBrowser",
        summary: "Be asked again in one of them",
        body: None,
        answers: &[(204, "")],
        problems: &[400, 401, 403, 404, 429, 503],
        handler: || delete(browsers::forget),
    },
    Operation {
        method: "post",
        path: "/sign-out",
        id: "signOut",
        summary: "End this session, or all of one's sessions",
        body: Some("SignOut"),
        answers: &[(200, "Session")],
        problems: &[400, 403, 415, 503],
        handler: || post(session::sign_out),
    },
    Operation {
        method: "get",
        path: "/openapi.json",
        id: "openapi",
        summary: "This document",
        body: None,
        answers: &[(200, "Document")],
        problems: &[],
        handler: || get(openapi::serve),
    },
];

/// The routes of all operations.
pub fn routes() -> Router<Services> {
    OPERATIONS
        .iter()
        .fold(Router::new(), |router, operation| router.route(operation.path, (operation.handler)()))
}
