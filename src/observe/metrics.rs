//! Every metric there is, declared once (names: `stepgate_`, base units, `_total` on counters).
//!
//! Labels are bounded sets: routes, levels and outcomes from the configuration and the code.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Labels of `stepgate_decisions_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DecisionLabels {
    pub route: String,
    /// `allow`, `grace`, `sign_in`, `challenge`, `deny`, `refuse` or `error`.
    pub decision: &'static str,
    /// Through which door it came: `proxy`, `forward`, `nginx`, `envoy_http` or `envoy_grpc`.
    pub mode: &'static str,
}

/// Labels of `stepgate_challenges_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ChallengeLabels {
    pub factor: String,
    /// `passed`, `wrong`, `used` or `locked`.
    pub outcome: String,
}

/// Labels of `stepgate_enrolments_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EnrolmentLabels {
    pub factor: String,
    /// `begun`, `confirmed`, `removed` or `renamed`.
    pub action: String,
}

/// Labels of counters that only have an outcome.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OutcomeLabels {
    pub outcome: String,
}

/// Labels of `stepgate_long_lived_ended_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndedLabels {
    /// `websocket`, `event_stream` or `download`.
    pub kind: &'static str,
    pub reason: &'static str,
}

/// Labels of `stepgate_identity_source_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SourceLabels {
    /// As the configuration names it.
    pub source: String,
    /// `known`, `nobody`, `refused` or `unavailable`.
    pub result: &'static str,
}

/// Labels of `stepgate_limited_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct LimitLabels {
    pub limit: &'static str,
}

/// Labels of `stepgate_certificate_expiry_timestamp_seconds`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CertificateLabels {
    /// Its first name.
    pub certificate: String,
}

/// Labels of `stepgate_messages_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MessageLabels {
    /// Its name in the configuration.
    pub sender: String,
    /// `email`, `sms` or `voice`.
    pub channel: &'static str,
    /// `accepted`, `refused`, `slow` or `unavailable`.
    pub outcome: &'static str,
    /// `none`, or one of `delivery::Reason`.
    pub reason: &'static str,
}

/// Labels of `stepgate_receipts_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReceiptLabels {
    /// Its name in the configuration.
    pub sender: String,
    /// `delivered`, `failed`, `underway`, `repeated` or `refused`.
    pub outcome: &'static str,
    /// `none`, or one of `delivery::Reason`.
    pub reason: &'static str,
}

/// Labels of `stepgate_call_steps_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CallLabels {
    /// Its name in the configuration.
    pub sender: String,
    /// `answered`, `pressed`, `unpressed`, `over` or `refused`.
    pub step: &'static str,
}

/// Labels of `stepgate_message_duration_seconds`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SenderLabels {
    pub sender: String,
    pub channel: &'static str,
}

/// Seconds that a sender takes for a message.
type Seconds = Family<SenderLabels, Histogram, fn() -> Histogram>;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    pub decisions: Family<DecisionLabels, Counter>,
    pub challenges: Family<ChallengeLabels, Counter>,
    pub enrolments: Family<EnrolmentLabels, Counter>,
    pub sign_ins: Family<OutcomeLabels, Counter>,
    pub limited: Family<LimitLabels, Counter>,
    pub long_lived_ended: Family<EndedLabels, Counter>,
    pub upstream_errors: Family<OutcomeLabels, Counter>,
    pub audit_events: Counter,
    pub audit_lost: Counter,
    pub reload_successful: Gauge,
    pub reload_time: Gauge,
    pub revocations_age: Gauge,
    pub signing_key_age: Gauge,
    pub held_requests: Counter,
    pub connections: Gauge,
    pub certificate_expiry: Family<CertificateLabels, Gauge>,
    pub certificates_successful: Gauge,
    pub acme_orders: Family<OutcomeLabels, Counter>,
    pub messages: Family<MessageLabels, Counter>,
    pub message_seconds: Seconds,
    pub receipts: Family<ReceiptLabels, Counter>,
    pub call_steps: Family<CallLabels, Counter>,
    pub sources: Family<SourceLabels, Counter>,
    pub people_stopped: Counter,
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

fn message_buckets() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Metrics {
    fn new() -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("stepgate"),
            decisions: Family::default(),
            challenges: Family::default(),
            enrolments: Family::default(),
            sign_ins: Family::default(),
            limited: Family::default(),
            long_lived_ended: Family::default(),
            upstream_errors: Family::default(),
            audit_events: Counter::default(),
            audit_lost: Counter::default(),
            reload_successful: Gauge::default(),
            reload_time: Gauge::default(),
            revocations_age: Gauge::default(),
            signing_key_age: Gauge::default(),
            held_requests: Counter::default(),
            connections: Gauge::default(),
            certificate_expiry: Family::default(),
            certificates_successful: Gauge::default(),
            acme_orders: Family::default(),
            messages: Family::default(),
            message_seconds: Family::new_with_constructor(message_buckets),
            receipts: Family::default(),
            call_steps: Family::default(),
            sources: Family::default(),
            people_stopped: Counter::default(),
        };
        all.register();
        all
    }

    #[expect(clippy::too_many_lines, reason = "a list")]
    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        registry.register("decisions", "Decisions of the gate by route", self.decisions.clone());
        registry.register(
            "challenges",
            "Answers to challenges by factor and outcome",
            self.challenges.clone(),
        );
        registry.register("enrolments", "Factors added, removed or renamed", self.enrolments.clone());
        registry.register("sign_ins", "Sign-ins of local users by outcome", self.sign_ins.clone());
        registry.register("limited", "Requests refused by a limit", self.limited.clone());
        registry.register(
            "long_lived_ended",
            "WebSockets, event streams and downloads that were ended before their own end",
            self.long_lived_ended.clone(),
        );
        registry.register(
            "upstream_errors",
            "Requests that the upstream did not answer",
            self.upstream_errors.clone(),
        );
        registry.register("audit_events", "Audit records written", self.audit_events.clone());
        registry.register(
            "audit_events_lost",
            "Audit records that could not be written",
            self.audit_lost.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the newest configuration is the one in use",
            self.reload_successful.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in use was loaded",
            self.reload_time.clone(),
        );
        registry.register(
            "revocation_feed_age_seconds",
            "Seconds since revocations were last read",
            self.revocations_age.clone(),
        );
        registry.register(
            "signing_key_age_seconds",
            "Age of the key that signs session claims",
            self.signing_key_age.clone(),
        );
        registry.register("held_requests", "Form posts kept over a challenge", self.held_requests.clone());
        registry.register(
            "identity_source",
            "Questions that had to be put to an identity source, by its answer",
            self.sources.clone(),
        );
        registry.register("connections", "Client connections that are open", self.connections.clone());
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When a certificate in use runs out",
            self.certificate_expiry.clone(),
        );
        registry.register(
            "acme_orders",
            "Attempts to obtain a certificate by outcome",
            self.acme_orders.clone(),
        );
        registry.register(
            "messages",
            "Messages handed to senders by outcome and reason",
            self.messages.clone(),
        );
        registry.register(
            "message_duration_seconds",
            "How long senders take for a message",
            self.message_seconds.clone(),
        );
        registry.register("receipts", "Delivery receipts of vendors by outcome", self.receipts.clone());
        registry.register(
            "people_stopped",
            "People whose sign-ins were stopped by their \"This wasn't me\"",
            self.people_stopped.clone(),
        );
        registry.register(
            "call_steps",
            "What vendors ask during calls, by where the call stands",
            self.call_steps.clone(),
        );
        registry.register(
            "certificate_last_reload_successful",
            "Whether the certificates on disk are the ones in use",
            self.certificates_successful.clone(),
        );
    }

    /// The text of `/metrics` (OpenMetrics).
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail; if it did, an empty page would say so.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Counts an attempt to obtain a certificate.
    pub fn acme(&self, outcome: &str) {
        self.acme_orders
            .get_or_create(&OutcomeLabels { outcome: outcome.to_owned() })
            .inc();
    }

    /// Says when a certificate in use runs out.
    pub fn certificate(&self, name: &str, not_after: i64) {
        let labels = CertificateLabels { certificate: name.to_owned() };
        self.certificate_expiry.get_or_create(&labels).set(not_after);
    }

    /// Counts one delivery receipt of a configured sender.
    pub fn receipt(&self, sender: &str, outcome: &'static str, reason: &'static str) {
        let labels = ReceiptLabels { sender: sender.to_owned(), outcome, reason };
        self.receipts.get_or_create(&labels).inc();
    }

    /// Counts one question of a vendor during a call.
    pub fn call_step(&self, sender: &str, step: &'static str) {
        self.call_steps
            .get_or_create(&CallLabels { sender: sender.to_owned(), step })
            .inc();
    }

    /// Counts one message and how long its sender took.
    pub fn message(
        &self,
        sender: &str,
        channel: &'static str,
        outcome: &'static str,
        reason: &'static str,
        took: Duration,
    ) {
        let sender = sender.to_owned();
        let seconds = SenderLabels { sender: sender.clone(), channel };
        self.message_seconds.get_or_create(&seconds).observe(took.as_secs_f64());
        self.messages
            .get_or_create(&MessageLabels { sender, channel, outcome, reason })
            .inc();
    }

    /// Counts what a limit has refused.
    pub fn limited(&self, limit: &'static str) {
        self.limited.get_or_create(&LimitLabels { limit }).inc();
    }

    /// Counts one exchange that was ended before its own end.
    pub fn ended(&self, kind: &'static str, reason: &'static str) {
        self.long_lived_ended.get_or_create(&EndedLabels { kind, reason }).inc();
    }

    /// Counts one question that had to be put to an identity source; what is remembered is no question.
    pub fn source_asked(&self, source: &str, result: &'static str) {
        self.sources
            .get_or_create(&SourceLabels { source: source.to_owned(), result })
            .inc();
    }

    /// Counts one request that the upstream did not answer.
    pub fn upstream_failed(&self, outcome: &'static str) {
        self.upstream_errors
            .get_or_create(&OutcomeLabels { outcome: outcome.to_owned() })
            .inc();
    }

    /// Counts an audited act by its name (`noun.verb`), its factor if it has one, and its result.
    pub fn acted(&self, what: &str, factor: Option<&str>, result: &str) {
        self.audit_events.inc();
        let factor = || factor.unwrap_or("unknown").to_owned();
        match what.split_once('.') {
            Some(("challenge" | "code", _)) => {
                let labels = ChallengeLabels { factor: factor(), outcome: result.to_owned() };
                self.challenges.get_or_create(&labels).inc();
            }
            Some(("enrolment", action)) => {
                let labels = EnrolmentLabels { factor: factor(), action: action.to_owned() };
                self.enrolments.get_or_create(&labels).inc();
            }
            Some(("sign_in", _)) => {
                self.sign_ins.get_or_create(&OutcomeLabels { outcome: result.to_owned() }).inc();
            }
            Some(("session", "started")) => {
                self.sign_ins
                    .get_or_create(&OutcomeLabels { outcome: "passed".to_owned() })
                    .inc();
            }
            _ => {}
        }
    }

    /// Counts one decision that is not a plain allow.
    pub fn decided(&self, route: &str, decision: &'static str, mode: &'static str) {
        self.decisions
            .get_or_create(&DecisionLabels { route: route.to_owned(), decision, mode })
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        metrics().decided("wiki", "challenge", "nginx");
        metrics().acted("challenge.answered", Some("totp"), "wrong");
        metrics().acted("enrolment.removed", Some("totp"), "ok");
        let text = metrics().render();
        assert!(
            text.contains(r#"stepgate_decisions_total{route="wiki",decision="challenge",mode="nginx"} "#),
            "{text}"
        );
        assert!(text.contains(r#"stepgate_challenges_total{factor="totp",outcome="wrong"} "#), "{text}");
        assert!(text.contains(r#"stepgate_enrolments_total{factor="totp",action="removed"} "#), "{text}");
        assert!(text.contains("stepgate_build_info"), "{text}");
    }
}
