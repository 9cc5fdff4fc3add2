//! Line plots as SVG: axes with round numbers, a few curves, nothing else.

use std::fmt::Write;

use crate::printable;

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

/// What a plot shows. The unit of the y axis stands in its title.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) x: (&'a str, Scale),
    pub(super) y: (&'a str, Scale),
    pub(super) curves: Vec<Curve<'a>>,
    /// Stretches of the x axis, from where to where: the phases of a run.
    pub(super) stretches: Vec<(f64, f64, String)>,
    /// Points that are called by name.
    pub(super) dots: Vec<(f64, f64, String)>,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 38.0;

/// About what a letter takes; a name that does not fit into its stretch is left out.
const LETTER: f64 = 7.0;

/// More points than the picture has columns only make the page long.
const MOST_POINTS: usize = 960;

/// Columns that show their values under the pointer: wide enough to be hit.
const MOST_COLUMNS: usize = 192;

impl Plot<'_> {
    /// A figure with title, legend and picture.
    pub(super) fn svg(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let edges = self.stretches.iter().flat_map(|(start, end, _)| [*start, *end]);
        let frame = Frame {
            across: Axis::over(points().map(|point| point.0).chain(edges), self.x.1),
            up: Axis::over(points().map(|point| point.1), self.y.1).rounded_up(),
        };
        write!(out, "<figure><figcaption>")?;
        if self.curves.len() > 1 {
            write!(out, "<span class=\"key\">")?;
            for curve in &self.curves {
                write!(out, "<i class=\"c{}\"></i>{}", curve.colour, escaped(curve.name))?;
            }
            write!(out, "</span>")?;
        }
        writeln!(
            out,
            "{} <span class=\"unit\">{}</span></figcaption>",
            escaped(self.title),
            escaped(self.y.0)
        )?;
        writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.title)
        )?;
        self.write_stretches(out, &frame)?;
        self.write_axes(out, &frame)?;
        for curve in &self.curves {
            let stride = curve.points.len().div_ceil(MOST_POINTS).max(1);
            write!(out, "<polyline class=\"c{}\" points=\"", curve.colour)?;
            for (across, up) in curve.points.iter().step_by(stride) {
                write!(out, "{:.1},{:.1} ", frame.x(*across), frame.y(*up))?;
            }
            writeln!(out, "\"/>")?;
        }
        self.write_values(out, &frame)?;
        for (across, up, name) in &self.dots {
            let (x, y) = (frame.x(*across), frame.y(*up));
            write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>")?;
            // Where the name would be cut by the edge, it stands on the other side.
            let fits = x + 8.0 + LETTER * name.chars().count() as f64 <= WIDTH;
            let (class, x) = if fits { ("dot", x + 8.0) } else { ("dot before", x - 8.0) };
            let y = (y - 6.0).max(TOP);
            writeln!(
                out,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
                escaped(name)
            )?;
        }
        writeln!(out, "</svg></figure>")
    }

    /// Columns without a colour: a browser shows the title of the one that the pointer is on.
    fn write_values(&self, out: &mut String, frame: &Frame) -> std::fmt::Result {
        let longest = self.curves.iter().max_by_key(|curve| curve.points.len());
        let points = longest.map_or(&[][..], |curve| &curve.points);
        let stride = points.len().div_ceil(MOST_COLUMNS).max(1);
        let places: Vec<f64> = points.iter().step_by(stride).map(|point| point.0).collect();
        let border = |left: f64, right: f64| f64::midpoint(frame.x(left), frame.x(right));
        write!(out, "<g class=\"values\">")?;
        for (number, at) in places.iter().enumerate() {
            let before = number.checked_sub(1).map_or(LEFT, |before| border(places[before], *at));
            let after = places.get(number + 1).map_or(WIDTH - RIGHT, |next| border(*at, *next));
            let (width, height) = ((after - before).max(0.0), HEIGHT - TOP - BOTTOM);
            write!(
                out,
                "<rect x=\"{before:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{} {}",
                label(*at),
                escaped(self.x.0)
            )?;
            for curve in &self.curves {
                if let Some(value) = curve.near(*at) {
                    let name = escaped(curve.name);
                    write!(out, "\n{name}: {} {}", label(value), escaped(self.y.0))?;
                }
            }
            write!(out, "</title></rect>")?;
        }
        writeln!(out, "</g>")
    }

    /// Every other stretch is shaded; its name stands above.
    fn write_stretches(&self, out: &mut String, frame: &Frame) -> std::fmt::Result {
        for (number, (start, end, name)) in self.stretches.iter().enumerate() {
            let (x, width) = (frame.x(*start), frame.x(*end) - frame.x(*start));
            if number % 2 == 0 {
                let height = HEIGHT - TOP - BOTTOM;
                write!(
                    out,
                    "<rect class=\"band\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
                )?;
            }
            if LETTER * name.chars().count() as f64 <= width {
                writeln!(
                    out,
                    "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    x + 2.0,
                    TOP - 7.0,
                    escaped(name)
                )?;
            }
        }
        Ok(())
    }

    fn write_axes(&self, out: &mut String, frame: &Frame) -> std::fmt::Result {
        for tick in frame.up.ticks() {
            let at = frame.y(tick);
            write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
                WIDTH - RIGHT
            )?;
            writeln!(
                out,
                "<text class=\"left\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                label(tick)
            )?;
        }
        for tick in frame.across.ticks() {
            let (x, y) = (frame.x(tick), HEIGHT - BOTTOM + 17.0);
            writeln!(
                out,
                "<text class=\"below\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
                label(tick)
            )?;
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        writeln!(
            out,
            "<text class=\"below\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
            HEIGHT - 4.0,
            escaped(self.x.0)
        )
    }
}

impl Curve<'_> {
    /// The value that stands next to a place; points stand in order.
    fn near(&self, at: f64) -> Option<f64> {
        let behind = self.points.partition_point(|point| point.0 < at);
        let candidates = self
            .points
            .get(behind.saturating_sub(1)..=behind.min(self.points.len().checked_sub(1)?))?;
        let nearest =
            candidates.iter().min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()));
        nearest.map(|point| point.1)
    }
}

/// Both axes, and where in the picture a value stands.
struct Frame {
    across: Axis,
    up: Axis,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.across.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.up.place(value) * (HEIGHT - TOP - BOTTOM)
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
        let usable =
            values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = if low > high { (1.0, 10.0) } else { (low, high) };
        match scale {
            Scale::Linear => Self {
                low: low.min(0.0),
                high: if high > low.min(0.0) { high } else { 1.0 },
                scale,
            },
            Scale::Logarithmic => {
                let (low, high) =
                    (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
                Self { low, high: if high > low { high } else { low * 10.0 }, scale }
            }
        }
    }

    /// Ends at a round number, so that no curve touches the edge.
    fn rounded_up(self) -> Self {
        match self.scale {
            Scale::Linear => {
                let step = self.step();
                Self { high: self.low + ((self.high - self.low) / step).ceil() * step, ..self }
            }
            Scale::Logarithmic => self,
        }
    }

    /// Between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => {
                (value.max(self.low).log10() - self.low.log10())
                    / (self.high.log10() - self.low.log10())
            }
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
                let count = ((self.high - self.low) / self.step() + 1e-9).floor() as i32;
                (0..=count).map(|number| self.low + f64::from(number) * self.step()).collect()
            }
        }
    }

    /// The distance of linear ticks: 1, 2 or 5 times a power of ten, so that there are about five.
    fn step(&self) -> f64 {
        let rough = (self.high - self.low) / 5.0;
        let decade = 10f64.powf(rough.log10().floor());
        [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * decade)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough)
    }
}

fn label(value: f64) -> String {
    let (value, unit) = match value.abs() {
        big if big >= 1e6 => (value / 1e6, " M"),
        big if big >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = format!("{value:.6}");
    format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Text that comes from a scenario or a server must not become markup, nor turn the direction of a
/// line.
pub(super) fn escaped(text: &str) -> String {
    let text = printable::lines(text).to_string();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_neither_markup_nor_control() {
        let shown = escaped(&format!("<b a='{}' b=\"&\">", printable::tests::HOSTILE));
        assert!(shown.chars().all(|c| c == '\n' || printable::is_printable(c)), "{shown:?}");
        assert!(
            shown.starts_with("&lt;b a=&#39;a\\u{1b}")
                && shown.ends_with("b=&quot;&amp;&quot;&gt;"),
            "{shown}"
        );
    }

    #[test]
    fn ticks_are_round_and_within() {
        for (values, scale, expected) in [
            (vec![0.0, 97.0], Scale::Linear, vec![0.0, 20.0, 40.0, 60.0, 80.0]),
            (vec![3.0, 3.0], Scale::Linear, vec![0.0, 1.0, 2.0, 3.0]),
            (vec![0.2, 40.0], Scale::Logarithmic, vec![0.1, 1.0, 10.0, 100.0]),
            (vec![], Scale::Logarithmic, vec![1.0, 10.0]),
        ] {
            let ticks = Axis::over(values.into_iter(), scale).ticks();
            assert!(
                ticks.iter().zip(&expected).all(|(tick, wanted)| (tick - wanted).abs() < 1e-9),
                "{ticks:?}"
            );
            assert_eq!(ticks.len(), expected.len());
        }
    }

    #[test]
    fn the_topmost_tick_is_the_edge() {
        for (highest, edge) in [(97.0, 100.0), (40_638.0, 50_000.0), (3.0, 3.0), (0.7, 0.8)] {
            let axis = Axis::over([0.0, highest].into_iter(), Scale::Linear).rounded_up();
            assert!((axis.high - edge).abs() < 1e-9, "{highest}: {}", axis.high);
            assert!(
                axis.ticks().last().is_some_and(|tick| (tick - edge).abs() < 1e-9),
                "{highest}: {:?}",
                axis.ticks()
            );
        }
    }

    #[test]
    fn labels_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.0001, "0.0001"),
            (0.25, "0.25"),
            (1500.0, "1500"),
            (20_000.0, "20 k"),
            (3_500_000.0, "3.5 M"),
        ] {
            assert_eq!(label(value), text);
        }
    }

    #[test]
    fn the_name_of_a_dot_is_never_cut_by_the_edge() {
        let plot = |at: f64| Plot {
            title: "t",
            x: ("ms", Scale::Linear),
            y: ("%", Scale::Linear),
            curves: vec![Curve { name: "all", colour: 0, points: vec![(0.0, 0.0), (100.0, 5.0)] }],
            stretches: Vec::new(),
            dots: vec![(at, 1.0, "p99.9 12345.67 ms".into())],
        };
        assert!(plot(10.0).svg().contains("<text class=\"dot\""));
        assert!(plot(99.0).svg().contains("<text class=\"dot before\""));
    }

    #[test]
    fn the_pointer_finds_the_values_of_all_curves() {
        let points =
            |factor: f64| (0..500).map(|x| (f64::from(x), f64::from(x) * factor)).collect();
        let plot = Plot {
            title: "t",
            x: ("s", Scale::Linear),
            y: ("ms", Scale::Linear),
            curves: vec![
                Curve { name: "p50", colour: 0, points: points(1.0) },
                Curve { name: "p99", colour: 1, points: points(2.0) },
            ],
            stretches: Vec::new(),
            dots: Vec::new(),
        };
        let svg = plot.svg();
        assert!(svg.contains("<title>30 s\np50: 30 ms\np99: 60 ms</title>"), "{svg}");
        assert!(svg.matches("<title>").count() <= MOST_COLUMNS);
        assert_eq!(plot.curves[0].near(3.4), Some(3.0));
        assert_eq!(plot.curves[0].near(-1.0), Some(0.0));
        assert_eq!(plot.curves[0].near(1e9), Some(499.0));
        assert_eq!(Curve { name: "", colour: 0, points: Vec::new() }.near(1.0), None);
    }

    #[test]
    fn nothing_of_a_scenario_becomes_markup() {
        let curve = Curve { name: "a<b", colour: 0, points: vec![(0.0, 0.0), (1.0, 5.0)] };
        let other = Curve { name: "c>d", colour: 1, points: Vec::new() };
        let plot = Plot {
            title: "\"&",
            x: ("s", Scale::Linear),
            y: ("/s", Scale::Linear),
            curves: vec![curve, other],
            stretches: vec![(0.0, 1.0, "<x>".into())],
            dots: vec![(0.5, 1.0, "<y>".into())],
        };
        let svg = plot.svg();
        assert!(svg.contains("a&lt;b") && svg.contains("&quot;&amp;") && svg.contains("&lt;x&gt;"));
        assert!(!svg.contains("<x>") && !svg.contains("<y>"));
    }
}
