//! A QR code as the path of an inline SVG, so that the page needs no image and no script.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code that readers need (ISO/IEC 18004).
const QUIET: usize = 4;

/// A square of dark modules.
#[derive(Clone, Debug)]
pub struct Qr {
    /// Modules along one side, the quiet zone included.
    pub size: usize,
    /// SVG path data of the dark modules.
    pub path: String,
}

impl Qr {
    /// Encodes `text`; `None` when it is too long for any code.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let mut path = String::new();
        for (y, row) in code.to_colors().chunks(width).enumerate() {
            for (x, length) in dark_runs(row) {
                write!(path, "M{} {}h{length}v1h-{length}z", x + QUIET, y + QUIET).ok()?;
            }
        }
        Some(Self { size: width + 2 * QUIET, path })
    }
}

/// Start and length of each run of dark modules, so that the path stays short.
fn dark_runs(row: &[Color]) -> impl Iterator<Item = (usize, usize)> {
    let mut x = 0;
    row.chunk_by(|a, b| a == b).filter_map(move |run| {
        let start = x;
        x += run.len();
        (run.first() == Some(&Color::Dark)).then_some((start, run.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_draws_exactly_the_dark_modules() {
        let text = "otpauth://totp/Example:maja?secret=JBSWY3DPEHPK3PXP&issuer=Example";
        let qr = Qr::new(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let mut drawn = vec![false; qr.size * qr.size];
        for run in qr.path.split('M').filter(|run| !run.is_empty()) {
            let numbers: Vec<usize> = run
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect();
            let [x, y, length, ..] = numbers[..] else {
                panic!("{run}")
            };
            drawn[y * qr.size + x..][..length].fill(true);
        }
        for y in 0..code.width() {
            for x in 0..code.width() {
                let dark = code[(x, y)] == Color::Dark;
                assert_eq!(drawn[(y + QUIET) * qr.size + x + QUIET], dark, "{x},{y}");
            }
        }
    }

    #[test]
    fn what_fits_no_code_gives_none() {
        assert!(Qr::new(&"x".repeat(5000)).is_none());
    }
}
