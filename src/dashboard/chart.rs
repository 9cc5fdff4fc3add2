//! Small pictures: the line of the last hour, and how full a subnet is. A figure beside each says
//! the same in words.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 36.0;

/// A line from left to right, the highest value at the top.
pub(super) fn line(values: &[f64]) -> Markup {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let mut points = String::new();
    for (at, value) in values.iter().enumerate() {
        let y = HEIGHT - 2.0 - (HEIGHT - 4.0) * value / most;
        // Writing to a string does not fail.
        let _ = write!(points, "{:.1},{y:.1} ", at as f64 * step);
    }
    html! {
        svg.line viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
            @if values.len() > 1 { polyline points=(points.trim_end()) {} }
        }
    }
}

/// Parts of a whole side by side, each with its class.
pub(super) fn parts(of: f64, parts: &[(&str, f64)]) -> Markup {
    let mut x = 0.0;
    let mut placed = Vec::with_capacity(parts.len());
    for (class, part) in parts {
        // What exists can be seen, however little it is.
        let width = if *part > 0.0 { (100.0 * part / of.max(1.0)).max(0.5) } else { 0.0 };
        placed.push((*class, x, width));
        x += width;
    }
    html! {
        svg.parts viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.free x="0" y="0" width="100" height="6" {}
            @for (class, x, width) in placed {
                rect class=(class) x=(format!("{x:.2}")) y="0" width=(format!("{width:.2}")) height="6" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_in_its_picture_whatever_it_shows() {
        for values in [&[][..], &[0.0], &[0.0, 0.0], &[1.0, 5.0, 2.0]] {
            let picture = line(values).into_string();
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
        let picture = line(&[0.0, 5.0]).into_string();
        assert!(picture.contains("0.0,34.0 240.0,2.0"), "{picture}");
    }

    #[test]
    fn little_is_seen_and_nothing_is_not() {
        let picture = parts(65_536.0, &[("leased", 1.0), ("held", 0.0)]).into_string();
        assert!(picture.contains("width=\"0.50\"") && picture.contains("width=\"0.00\""));
    }
}
