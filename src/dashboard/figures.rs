//! The metrics as figures: what the exposition text says, to be summed up by labels.

use std::collections::BTreeMap;

/// All series of one look.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<String, Vec<Series>>);

#[derive(Debug)]
struct Series {
    labels: Vec<(String, String)>,
    value: f64,
}

impl Figures {
    /// Reads what we have written ourselves; a line that is no series is skipped.
    pub(super) fn read(exposition: &str) -> Self {
        let mut all: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for line in exposition.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels_of(labels.trim_end_matches('}'))),
                None => (series, Vec::new()),
            };
            all.entry(name.to_owned()).or_default().push(Series { labels, value });
        }
        Self(all)
    }

    fn series(&self, name: &str) -> impl Iterator<Item = &Series> {
        self.0.get(name).into_iter().flatten()
    }

    pub(super) fn sum(&self, name: &str) -> f64 {
        self.series(name).map(|series| series.value).sum()
    }

    /// Sums by the value of a label.
    pub(super) fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for series in self.series(name) {
            if let Some(value) = series.label(label) {
                *sums.entry(value.to_owned()).or_default() += series.value;
            }
        }
        sums
    }

    /// Sums by the value of a label, of the series that have another one.
    pub(super) fn by_with(
        &self,
        name: &str,
        label: &str,
        (with, wanted): (&str, &str),
    ) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for series in self.series(name).filter(|series| series.label(with) == Some(wanted)) {
            if let Some(value) = series.label(label) {
                *sums.entry(value.to_owned()).or_default() += series.value;
            }
        }
        sums
    }
}

impl Series {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// `a="x",b="y"`; a quotation mark within a value is escaped.
fn labels_of(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => value.extend(letters.next().map(|(_, letter)| letter)),
                Some((_, letter)) => value.push(letter),
                None => break after.len(),
            }
        };
        labels.push((name.trim_start_matches(',').to_owned(), value));
        rest = after.get(end + 1..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_and_summed_up() {
        let figures = Figures::read(
            "# TYPE a_total counter\n\
             a_total{gateway=\"x\",code=\"1\"} 2\n\
             a_total{gateway=\"x, \\\"y\\\"\",code=\"1\"} 3\n\
             a_total{code=\"2\"} 4\n\
             b 1.5\nnot a series\n",
        );
        assert_eq!(figures.sum("a_total").round() as i64, 9);
        assert_eq!(
            figures.by("a_total", "gateway").into_iter().collect::<Vec<_>>(),
            [("x".to_owned(), 2.0), ("x, \"y\"".to_owned(), 3.0)]
        );
        assert_eq!(figures.by_with("a_total", "gateway", ("code", "1")).len(), 2);
        assert_eq!(figures.by_with("a_total", "gateway", ("code", "2")).len(), 0);
        assert_eq!((figures.sum("b") * 2.0) as i64, 3);
    }
}
