//! Operators by name and by the numbers that the platform has for them (`operators.csv`).

use compact_str::CompactString;

use crate::identity::Plmn;
use crate::policy::CountryCode;

/// What is known of operators, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operators(pub Vec<KnownOperator>);

/// One operator: a row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOperator {
    /// The number by which the API knows it.
    pub id: u32,
    /// Its networks; at least one.
    pub plmns: Vec<Plmn>,
    pub country: Option<CountryCode>,
    pub name: CompactString,
}

impl Operators {
    /// The operator with this number.
    #[must_use]
    pub fn by_id(&self, id: u32) -> Option<&KnownOperator> {
        self.0.iter().find(|operator| operator.id == id)
    }
}
