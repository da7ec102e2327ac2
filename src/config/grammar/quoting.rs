//! Text that YAML readers take for something else: it must stand in quotes, and the reverse.

use super::super::codes::Code;
use super::super::diagnostic::Diagnostic;
use super::super::source::Span;
use super::Scalar;

/// The problem with how a scalar is written, if there is one. What it says is judged elsewhere.
pub(super) fn check(text: &str, plain: bool, scalar: Scalar, span: Span) -> Option<Diagnostic> {
    if !plain {
        return scalar.is_plain().then(|| {
            Diagnostic::error(Code::WrongKind, "this is text, because of the quotes")
                .at(span, "write it without quotes")
        });
    }
    if scalar.is_plain() {
        return None;
    }
    let boolean = matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE");
    if (boolean && !scalar.takes_boolean(text)) || is_number(text) {
        return Some(
            Diagnostic::error(Code::WrongKind, "YAML does not read this as text")
                .at(span, "write it in quotes"),
        );
    }
    // 07:30 is four hundred and fifty to a YAML 1.1 reader.
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (text.contains(':') && text.split(':').all(digits)).then(|| {
        Diagnostic::error(Code::Unquoted, "this is read as a number by some and as a time by others")
            .at(span, "write it in quotes")
    })
}

/// Words that YAML 1.1 readers take for booleans and YAML 1.2 readers for text.
pub(super) fn boolean(text: &str, plain: bool, scalar: Scalar, span: Span) -> Option<Diagnostic> {
    let ambiguous = ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if !plain || !ambiguous {
        return None;
    }
    let label = if scalar.is_plain() {
        "write true or false".to_owned()
    } else {
        format!("write \"{text}\", in quotes")
    };
    let message = format!("`{text}` is read as a boolean by some and as text by others");
    Some(Diagnostic::error(Code::Unquoted, message).at(span, label))
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (text.parse::<f64>().is_ok() || unsigned.starts_with("0x") || unsigned.starts_with("0o"))
}
