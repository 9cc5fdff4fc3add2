//! How a request wrote what the model keeps in one form only: shown again as it was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;

/// The written form of those fields of an object that the model cannot tell apart from another
/// form: `null` and `[]`, `Ipv4` and `ipv4`. Empty for what a file made.
///
/// The names of the fields and the forms are those of whoever writes and shows the object: nothing
/// here depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelling(Option<Arc<BTreeMap<CompactString, CompactString>>>);

impl Spelling {
    /// How a field was written, if that was another way than the usual one.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.as_ref()?.get(field).map(CompactString::as_str)
    }

    /// The same with a field written so.
    #[must_use]
    pub fn with(self, field: &str, written: &str) -> Self {
        let mut forms = self.0.unwrap_or_default();
        Arc::make_mut(&mut forms).insert(field.into(), written.into());
        Self(Some(forms))
    }

    /// The same with a field written in the usual way.
    #[must_use]
    pub fn without(self, field: &str) -> Self {
        let Some(mut forms) = self.0 else { return self };
        Arc::make_mut(&mut forms).remove(field);
        Self(Some(forms).filter(|forms| !forms.is_empty()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Every field that was written in another way, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|forms| forms.iter()).map(|(field, form)| (&**field, &**form))
    }

    /// How much room it takes in a record, at most.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.iter().map(|(field, form)| 8 + field.len() + form.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_known_again() {
        let written = Spelling::default().with("dnsServers", "null").with("family", "Ipv4");
        assert_eq!((written.of("family"), written.of("name")), (Some("Ipv4"), None));
        let again = written.clone().with("dnsServers", "[]").without("family");
        assert_eq!(again.iter().collect::<Vec<_>>(), [("dnsServers", "[]")]);
        assert_eq!(written.of("dnsServers"), Some("null"), "the former is its own");
        assert_eq!(again.without("dnsServers"), Spelling::default());
        assert_eq!(size_of::<Spelling>(), 8);
    }
}
