//! The exposition text as a whole: always in the same order, so that two scrapes can be compared,
//! and by a person, too.

/// One metric: its help and type, and its series.
struct Family<'t> {
    name: &'t str,
    comments: Vec<&'t str>,
    series: Vec<&'t str>,
}

/// The same text with its metrics by name, and their series by labels. The buckets of a histogram
/// stay in the order of their bounds.
pub(super) fn sorted(text: &str) -> String {
    let mut families = families(text);
    families.sort_by_key(|family| family.name);
    let mut sorted = String::with_capacity(text.len());
    for family in &mut families {
        if !family.comments.iter().any(|comment| comment.ends_with(" histogram")) {
            family.series.sort_unstable();
        }
        for line in family.comments.iter().chain(&family.series) {
            sorted.push_str(line);
            sorted.push('\n');
        }
    }
    sorted
}

/// The metrics in their order; the lines of one stand together, its comments first.
fn families(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            Some(described) => {
                let name = described.split(' ').next().unwrap_or_default();
                match families.last_mut().filter(|family| family.name == name) {
                    Some(family) => family.comments.push(line),
                    None => {
                        families.push(Family { name, comments: vec![line], series: Vec::new() });
                    }
                }
            }
            None => match families.last_mut() {
                Some(family) => family.series.push(line),
                None => {
                    families.push(Family { name: "", comments: Vec::new(), series: vec![line] });
                }
            },
        }
    }
    families
}

/// The sum over all series of a counter that have this label value; over all, if no value is asked
/// for.
pub(super) fn sum(text: &str, name: &str, label: Option<(&str, &str)>) -> u64 {
    let wanted = label.map(|(label, value)| format!("{label}=\"{value}\""));
    let is_wanted = |labels: &str| {
        wanted.as_ref().is_none_or(|wanted| labels.split(',').any(|label| label == wanted))
    };
    let mut sum = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix(name)) {
        if let Some((labels, value)) =
            line.strip_prefix('{').and_then(|line| line.rsplit_once("} "))
            && is_wanted(labels)
        {
            sum += value.parse::<u64>().unwrap_or(0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP b_total Of b.
# TYPE b_total counter
b_total{code=\"y\",gateway=\"a\"} 2
b_total{code=\"x\",gateway=\"a\"} 3
b_total{code=\"x\",gateway=\"b\"} 4

# TYPE a_seconds histogram
a_seconds_bucket{le=\"2\"} 1
a_seconds_bucket{le=\"10\"} 2
a_seconds_bucket{le=\"+Inf\"} 2
a_seconds_sum 3
a_seconds_count 2

";

    #[test]
    fn metrics_and_series_are_sorted_and_buckets_stay_as_they_are() {
        let expected = "\
# TYPE a_seconds histogram
a_seconds_bucket{le=\"2\"} 1
a_seconds_bucket{le=\"10\"} 2
a_seconds_bucket{le=\"+Inf\"} 2
a_seconds_sum 3
a_seconds_count 2
# HELP b_total Of b.
# TYPE b_total counter
b_total{code=\"x\",gateway=\"a\"} 3
b_total{code=\"x\",gateway=\"b\"} 4
b_total{code=\"y\",gateway=\"a\"} 2
";
        assert_eq!(sorted(TEXT), expected);
        assert_eq!(sorted(expected), expected);
        assert_eq!(sorted(""), "");
    }

    #[test]
    fn series_are_summed_by_a_label() {
        assert_eq!(sum(TEXT, "b_total", Some(("code", "x"))), 7);
        assert_eq!(sum(TEXT, "b_total", None), 9);
        assert_eq!(sum(TEXT, "b_total", Some(("code", "z"))), 0);
        assert_eq!(sum(TEXT, "b", None), 0);
    }
}
