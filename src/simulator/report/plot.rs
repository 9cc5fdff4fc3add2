//! Line plots as SVG: axes with round numbers, a few curves, nothing else.

use std::fmt::Write;

/// One curve.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    /// Which of the page's colours.
    pub(super) colour: usize,
    pub(super) points: Vec<(f64, f64)>,
}

/// How an axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) x: (&'a str, Scale),
    pub(super) y: (&'a str, Scale),
    pub(super) curves: Vec<Curve<'a>>,
    /// Places on the x axis with a name: where phases begin.
    pub(super) marks: Vec<(f64, String)>,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 34.0;

/// More points than the picture has columns only make the page long.
const MOST_POINTS: usize = 900;

impl Plot<'_> {
    /// A figure with title, legend and picture.
    pub(super) fn svg(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let across = Axis::over(self.curves.iter().flat_map(|curve| &curve.points).map(|point| point.0), self.x.1);
        let up = Axis::over(self.curves.iter().flat_map(|curve| &curve.points).map(|point| point.1), self.y.1);
        let x = |value: f64| LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - TOP - BOTTOM);
        write!(out, "<figure><figcaption>{}", escaped(self.title))?;
        for curve in &self.curves {
            write!(out, "<span class=\"key c{}\">{}</span>", curve.colour, escaped(curve.name))?;
        }
        writeln!(out, "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escaped(self.title))?;
        for tick in up.ticks() {
            let at = y(tick);
            write!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", WIDTH - RIGHT)?;
            writeln!(out, "<text class=\"left\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", LEFT - 6.0, at + 4.0, label(tick))?;
        }
        for tick in across.ticks() {
            writeln!(out, "<text class=\"below\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", x(tick), HEIGHT - BOTTOM + 16.0, label(tick))?;
        }
        for (place, name) in &self.marks {
            let at = x(*place);
            write!(out, "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>", HEIGHT - BOTTOM)?;
            writeln!(out, "<text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", at + 3.0, TOP - 6.0, escaped(name))?;
        }
        for curve in &self.curves {
            let stride = curve.points.len().div_ceil(MOST_POINTS).max(1);
            write!(out, "<polyline class=\"c{}\" points=\"", curve.colour)?;
            for (across, up) in curve.points.iter().step_by(stride) {
                write!(out, "{:.1},{:.1} ", x(*across), y(*up))?;
            }
            writeln!(out, "\"/>")?;
        }
        writeln!(out, "<text class=\"unit\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", WIDTH - RIGHT, HEIGHT - 4.0, escaped(self.x.0))?;
        writeln!(
            out,
            "<text class=\"unit\" x=\"{LEFT}\" y=\"{:.1}\" style=\"text-anchor:end\">{}</text></svg></figure>",
            TOP - 6.0,
            escaped(self.y.0)
        )
    }
}

/// The range of an axis, and where on it a value stands.
struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, scale: Scale) -> Self {
        let usable = values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (1.0, 10.0) } else { (low, high) };
        match scale {
            Scale::Linear => Self { low: low.min(0.0), high: if high > low.min(0.0) { high } else { 1.0 }, scale },
            Scale::Logarithmic => {
                let (low, high) = (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
                Self { low, high: if high > low { high } else { low * 10.0 }, scale }
            }
        }
    }

    /// Between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value.max(self.low).log10() - self.low.log10()) / (self.high.log10() - self.low.log10()),
        };
        place.clamp(0.0, 1.0)
    }

    /// Round numbers within.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Logarithmic => {
                let decades = (self.high.log10() - self.low.log10()).round() as i32;
                (0..=decades).map(|decade| self.low * 10f64.powi(decade)).collect()
            }
            Scale::Linear => {
                let rough = (self.high - self.low) / 5.0;
                let decade = 10f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= rough).unwrap_or(rough);
                let count = ((self.high - self.low) / step).floor() as i32;
                (0..=count).map(|number| self.low + f64::from(number) * step).collect()
            }
        }
    }
}

fn label(value: f64) -> String {
    let (value, unit) = match value.abs() {
        big if big >= 1e6 => (value / 1e6, " M"),
        big if big >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = format!("{value:.3}");
    format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Text that comes from a scenario must not become markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        for (values, scale, expected) in [
            (vec![0.0, 97.0], Scale::Linear, vec![0.0, 20.0, 40.0, 60.0, 80.0]),
            (vec![3.0, 3.0], Scale::Linear, vec![0.0, 1.0, 2.0, 3.0]),
            (vec![0.2, 40.0], Scale::Logarithmic, vec![0.1, 1.0, 10.0, 100.0]),
            (vec![], Scale::Logarithmic, vec![1.0, 10.0]),
        ] {
            let ticks = Axis::over(values.into_iter(), scale).ticks();
            assert!(ticks.iter().zip(&expected).all(|(tick, wanted)| (tick - wanted).abs() < 1e-9), "{ticks:?}");
            assert_eq!(ticks.len(), expected.len());
        }
    }

    #[test]
    fn labels_are_short() {
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (1500.0, "1500"), (20_000.0, "20 k"), (3_500_000.0, "3.5 M")] {
            assert_eq!(label(value), text);
        }
    }

    #[test]
    fn nothing_of_a_scenario_becomes_markup() {
        let curve = Curve { name: "a<b", colour: 0, points: vec![(0.0, 0.0), (1.0, 5.0)] };
        let plot =
            Plot { title: "\"&", x: ("s", Scale::Linear), y: ("/s", Scale::Linear), curves: vec![curve], marks: vec![(0.5, "<x>".into())] };
        let svg = plot.svg();
        assert!(svg.contains("a&lt;b") && svg.contains("&quot;&amp;") && svg.contains("&lt;x&gt;"));
        assert!(!svg.contains("<x>"));
    }
}
