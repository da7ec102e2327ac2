//! Why a request could not be forwarded: on whose side, and whether sending it again is safe.

use http::StatusCode;

/// On whose side something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Upstream,
    /// Our own limits.
    Own,
}

/// What went wrong. Carries nothing a client has sent and nothing an upstream has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the request body is larger than this route takes")]
    TooLarge,
    #[error("the client stopped sending in the middle of the request body")]
    ClientStalled,
    #[error("the client went away in the middle of the request body")]
    ClientGone,
    #[error("the Origin of a WebSocket does not match the site it is for")]
    ForeignOrigin,
    #[error("the route has no upstream")]
    NoUpstream,
    #[error("too many connections to this upstream are in use")]
    Busy,
    #[error("too many WebSockets are open, or the process is about to end")]
    NoTunnel,
    #[error("the upstream's name does not resolve")]
    Unresolved,
    #[error("the upstream cannot be reached")]
    Unreachable,
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    #[error("the upstream's certificate is not accepted")]
    Untrusted,
    #[error("TLS with the upstream has failed")]
    TlsFailed,
    #[error("the request has come through here before: the upstream leads back to stepgate")]
    Loop,
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    #[error("the upstream's answer was broken off or breaks the protocol")]
    Broken,
    #[error("what the request was allowed by does not hold any more")]
    Lapsed,
    #[error("what the upstream's answer means for who is signed in could not be written down")]
    NotNoted,
}

impl Fault {
    /// Stable name for metrics and problem documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "body_too_large",
            Self::ClientStalled => "client_stalled",
            Self::ClientGone => "client_gone",
            Self::ForeignOrigin => "foreign_origin",
            Self::NoUpstream => "no_upstream",
            Self::Busy => "upstream_busy",
            Self::NoTunnel => "no_tunnel",
            Self::Unresolved => "upstream_unresolved",
            Self::Unreachable => "upstream_unreachable",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::Untrusted => "upstream_untrusted",
            Self::TlsFailed => "upstream_tls",
            Self::Loop => "loop",
            Self::ResponseTimeout => "upstream_timeout",
            Self::Broken => "upstream_broken",
            Self::Lapsed => "lapsed",
            Self::NotNoted => "not_noted",
        }
    }
}

/// A request that got no response from the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct UpstreamError {
    pub fault: Fault,
    /// Whether the upstream certainly has not acted on the request.
    pub retry_safe: bool,
}

impl UpstreamError {
    /// An error before anything of the request reached the upstream.
    pub(super) const fn unsent(fault: Fault) -> Self {
        Self { fault, retry_safe: true }
    }

    /// An error after the upstream may have acted.
    pub(super) const fn sent(fault: Fault) -> Self {
        Self { fault, retry_safe: false }
    }

    /// There is an answer, and nobody may see it: what follows from it could not be written down.
    #[must_use]
    pub const fn not_noted() -> Self {
        Self::sent(Fault::NotNoted)
    }

    #[must_use]
    pub const fn side(&self) -> Side {
        match self.fault {
            Fault::TooLarge | Fault::ClientStalled | Fault::ClientGone | Fault::ForeignOrigin => Side::Client,
            Fault::NoUpstream
            | Fault::Busy
            | Fault::NoTunnel
            | Fault::Loop
            | Fault::Lapsed
            | Fault::NotNoted => Side::Own,
            Fault::Unresolved
            | Fault::Unreachable
            | Fault::ConnectTimeout
            | Fault::Untrusted
            | Fault::TlsFailed
            | Fault::ResponseTimeout
            | Fault::Broken => Side::Upstream,
        }
    }

    /// The status that tells the client.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.fault {
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Fault::ClientGone => StatusCode::BAD_REQUEST,
            Fault::ForeignOrigin | Fault::Lapsed => StatusCode::FORBIDDEN,
            Fault::Busy | Fault::NoTunnel | Fault::NotNoted => StatusCode::SERVICE_UNAVAILABLE,
            Fault::NoUpstream => StatusCode::NOT_FOUND,
            Fault::Unresolved | Fault::Unreachable | Fault::Untrusted | Fault::TlsFailed | Fault::Broken => {
                StatusCode::BAD_GATEWAY
            }
            Fault::Loop => StatusCode::LOOP_DETECTED,
            Fault::ConnectTimeout | Fault::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// A short name for metrics, logs and problem+json.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.fault {
            Fault::TooLarge => "request-too-large",
            Fault::ClientStalled => "request-stalled",
            Fault::ClientGone => "request-incomplete",
            Fault::ForeignOrigin => "foreign-origin",
            Fault::NoUpstream => "no-upstream",
            Fault::Busy => "upstream-busy",
            Fault::NoTunnel => "no-more-tunnels",
            Fault::Unresolved => "upstream-unresolved",
            Fault::Unreachable => "upstream-unreachable",
            Fault::ConnectTimeout => "upstream-connect-timeout",
            Fault::Untrusted => "upstream-untrusted",
            Fault::TlsFailed => "upstream-tls",
            Fault::Loop => "loop",
            Fault::ResponseTimeout => "upstream-timeout",
            Fault::Broken => "upstream-broken",
            Fault::Lapsed => "lapsed",
            Fault::NotNoted => "not-noted",
        }
    }
}
