//! A policy in the form in which it decides: look-ups by network, country and device.

use super::countries::{table, two_letters};
use super::place::canonical;
use super::radio::{Radio, RadioSet};
use super::{
    Circumstances, CountryCode, DecidedBy, ImeiLock, PolicyAction, PolicyEntry, PolicyReason,
    PolicyVerdict, RadioClass, WhenMissing,
};
use crate::identity::{Imei, Plmn};

/// What a policy says, apart from its name.
#[derive(Clone, Copy, Debug)]
pub struct PolicyTerms<'p> {
    pub allow_2g: bool,
    pub allow_3g: bool,
    /// 4G and 5G.
    pub allow_45g: bool,
    pub when_missing: WhenMissing,
    pub imei_lock: ImeiLock,
    pub entries: &'p [PolicyEntry],
}

/// One policy, ready to decide.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    /// Generations that are switched off.
    generations_off: RadioSet,
    missing_refuses: bool,
    locks_imei: bool,
    rules: Box<[Rule]>,
    /// Rules about one network, by its number; those of one network are in the order of
    /// [`Self::order`].
    operators: Box<[(u64, RuleList)]>,
    /// For each MCC the place of its list, 0 if there is none.
    countries: Option<Box<[u16; 1000]>>,
    lists: Vec<RuleList>,
    international: RuleList,
    anywhere: RuleList,
    /// All that are about some place, and allow.
    placed_allowing: RuleList,
    is_placed: bool,
}

/// Places in the list of rules, the most specific first.
type RuleList = Box<[u16]>;

#[derive(Clone, Debug)]
struct Rule {
    action: PolicyAction,
    /// What is refused because of the rule, by what it is about.
    reason: PolicyReason,
    radio: RadioSet,
    /// Ranges of type allocation codes, without overlaps. Empty: any.
    tacs: Box<[(u32, u32)]>,
    /// How much it narrows down: longest device prefix, then radio.
    narrowness: (u8, bool),
}

/// Whether a rule is about a request, apart from its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Fits,
    /// Another radio, or another device.
    Misses(PolicyReason),
    /// Radio or device are not told.
    Untold(PolicyReason),
}

impl CompiledPolicy {
    /// Of entries beyond 65,535 nothing is kept: no policy is recorded that is so long.
    #[must_use]
    pub fn new(terms: PolicyTerms<'_>) -> Self {
        use RadioClass::{FourG, LteM, NbIot, Nr, ThreeG, TwoG};
        let off = |allows: bool, classes: &'static [RadioClass]| {
            if allows { &[] } else { classes }
        };
        let generations_off = [
            off(terms.allow_2g, &[TwoG]),
            off(terms.allow_3g, &[ThreeG]),
            off(terms.allow_45g, &[FourG, NbIot, LteM, Nr]),
        ];
        let entries = &terms.entries[..terms.entries.len().min(usize::from(u16::MAX))];
        let rules: Box<[Rule]> = entries.iter().map(Rule::of).collect();
        let mut compiled = Self {
            generations_off: generations_off.into_iter().flatten().copied().collect(),
            missing_refuses: terms.when_missing == WhenMissing::Reject,
            locks_imei: terms.imei_lock == ImeiLock::Learn,
            rules,
            operators: Box::default(),
            countries: None,
            lists: Vec::new(),
            international: Box::default(),
            anywhere: Box::default(),
            placed_allowing: Box::default(),
            is_placed: false,
        };
        compiled.index(entries);
        compiled
    }

    fn index(&mut self, entries: &[PolicyEntry]) {
        let which = |is: &dyn Fn(&PolicyEntry) -> bool| {
            let found = (0..).zip(entries).filter(|(_, entry)| is(entry)).map(|(at, _)| at);
            self.sorted(found.collect())
        };
        let is_placed = |entry: &PolicyEntry| {
            entry.operator.is_some() || entry.country.is_some() || entry.international
        };
        let anywhere = which(&|entry| !is_placed(entry));
        let international = which(&|entry| {
            entry.international && entry.operator.is_none() && entry.country.is_none()
        });
        let placed_allowing =
            which(&|entry| is_placed(entry) && entry.action == PolicyAction::Allow);
        let mut plmns: Vec<Plmn> =
            entries.iter().filter_map(|entry| entry.operator.map(canonical)).collect();
        plmns.sort_unstable();
        plmns.dedup();
        let operators = plmns
            .into_iter()
            .map(|plmn| (plmn.raw(), which(&|entry| entry.operator.map(canonical) == Some(plmn))))
            .collect();
        self.index_countries(entries);
        self.is_placed = entries.iter().any(is_placed);
        (self.anywhere, self.international) = (anywhere, international);
        (self.placed_allowing, self.operators) = (placed_allowing, operators);
    }

    /// Every MCC of a country, primary or territory, leads to the country's entries. Of an MCC that
    /// several share the primary country's come first.
    fn index_countries(&mut self, entries: &[PolicyEntry]) {
        let of_country = |entry: &PolicyEntry| {
            entry.country.filter(|_| entry.operator.is_none()).and_then(two_letters)
        };
        let named: Vec<(u16, CountryCode)> =
            (0..).zip(entries).filter_map(|(at, entry)| Some((at, of_country(entry)?))).collect();
        if named.is_empty() {
            return;
        }
        let mut places = Box::new([0u16; 1000]);
        for (place, mcc) in places.iter_mut().zip(table()) {
            let mut list: Vec<u16> = Vec::new();
            for country in &mcc.countries {
                let own = named.iter().filter(|(_, named)| named == country).map(|(at, _)| *at);
                list.extend(own);
            }
            if !list.is_empty() {
                let sorted = self.sorted(list);
                self.lists.push(sorted);
                *place = self.lists.len() as u16;
            }
        }
        self.countries = Some(places);
    }

    /// The narrowest first; of equals the first stays the first.
    fn sorted(&self, mut list: Vec<u16>) -> RuleList {
        list.sort_by_key(|at| std::cmp::Reverse(self.rules[usize::from(*at)].narrowness));
        list.into()
    }

    /// Whether the first device that is seen is to be the only one.
    #[must_use]
    pub const fn locks_imei(&self) -> bool {
        self.locks_imei
    }

    /// Whether an endpoint may be used so. `own` is the device that it is locked to, if it is.
    #[must_use]
    pub fn judge(&self, at: &Circumstances, own: Option<Imei>) -> PolicyVerdict {
        let imei = at.imeisv.map(Imei::of);
        let radio = at.rat.map(Radio::of);
        let verdict = self.by_entries(at.plmn, radio, imei);
        if verdict.refused.is_some() {
            return verdict;
        }
        if let Some(refused) = self.by_generation(radio) {
            return refused;
        }
        if !self.locks_imei {
            return verdict;
        }
        match (imei, own) {
            (None, _) if self.missing_refuses => {
                PolicyVerdict::refused(PolicyReason::ImeiMissing, DecidedBy::ImeiLock)
            }
            (Some(imei), Some(own)) if imei != own => {
                PolicyVerdict::refused(PolicyReason::ImeiMismatch, DecidedBy::ImeiLock)
            }
            _ => verdict,
        }
    }

    fn by_generation(&self, radio: Option<Radio>) -> Option<PolicyVerdict> {
        let is_refused = match radio {
            _ if self.generations_off.is_any() => false,
            Some(radio) if radio.is_assigned => self.generations_off.has(radio.class),
            _ => self.missing_refuses,
        };
        is_refused
            .then(|| PolicyVerdict::refused(PolicyReason::RadioNotAllowed, DecidedBy::Generation))
    }

    fn by_entries(
        &self,
        plmn: Option<Plmn>,
        radio: Option<Radio>,
        imei: Option<Imei>,
    ) -> PolicyVerdict {
        let mut missed = None;
        let mut by = |list: &[u16]| self.by_list(list, radio, imei, &mut missed);
        let by_place = match plmn {
            Some(plmn) => by(self.of_operator(plmn)).or_else(|| by(self.of_mcc(plmn.mcc()))),
            None if !self.is_placed => None,
            None if self.missing_refuses => {
                let reason = PolicyReason::LocationUnknown;
                return PolicyVerdict::refused(reason, DecidedBy::Missing);
            }
            // It may be anywhere: also where it is allowed.
            None => by(&self.placed_allowing)
                .map(|allowed| PolicyVerdict { by: DecidedBy::Missing, ..allowed }),
        };
        by_place
            .or_else(|| by(&self.anywhere))
            .unwrap_or(PolicyVerdict::allowed(DecidedBy::NoEntry))
    }

    fn of_operator(&self, plmn: Plmn) -> &[u16] {
        let found = self.operators.binary_search_by_key(&plmn.raw(), |(number, _)| *number);
        found.map_or(&[], |at| &self.operators[at].1)
    }

    /// Those about the country, or about networks of none.
    fn of_mcc(&self, mcc: u16) -> &[u16] {
        let of_country = self
            .countries
            .as_ref()
            .and_then(|countries| countries.get(usize::from(mcc)))
            .and_then(|place| self.lists.get(usize::from(*place).checked_sub(1)?));
        if let Some(list) = of_country {
            return list;
        }
        let is_international = !self.international.is_empty()
            && table().get(usize::from(mcc)).is_some_and(|mcc| mcc.is_international);
        if is_international { &self.international } else { &[] }
    }

    /// What the first of these rules says that is about the request. `missed` remembers what kept
    /// one that allows from it.
    fn by_list(
        &self,
        list: &[u16],
        radio: Option<Radio>,
        imei: Option<Imei>,
        missed: &mut Option<PolicyReason>,
    ) -> Option<PolicyVerdict> {
        for at in list {
            let by = DecidedBy::Entry(usize::from(*at));
            let rule = self.rules.get(usize::from(*at))?;
            let allows = rule.action == PolicyAction::Allow;
            match rule.fit(radio, imei) {
                Fit::Misses(reason) if allows => {
                    // Of several the one that is checked first.
                    *missed = Some(missed.map_or(reason, |first| first.min(reason)));
                }
                Fit::Misses(_) => {}
                Fit::Untold(reason) if self.missing_refuses => {
                    return Some(PolicyVerdict::refused(reason, by));
                }
                // Not to tell refuses nobody.
                Fit::Untold(_) if !allows => {}
                Fit::Fits | Fit::Untold(_) if allows => return Some(PolicyVerdict::allowed(by)),
                Fit::Fits | Fit::Untold(_) => {
                    let is_plain = rule.narrowness == (0, false);
                    let reason = missed.filter(|_| is_plain).unwrap_or(rule.reason);
                    let is_soft = rule.action == PolicyAction::RejectSoft;
                    return Some(PolicyVerdict { refused: Some(reason), by, is_soft });
                }
            }
        }
        None
    }
}

impl Rule {
    fn of(entry: &PolicyEntry) -> Self {
        let mut tacs: Vec<(u32, u32)> = entry.tac.iter().map(|tac| tac.range()).collect();
        tacs.sort_unstable();
        tacs.dedup_by(|next, kept| next.0 <= kept.1);
        let reason = if !entry.tac.is_empty() {
            PolicyReason::DeviceNotAllowed
        } else if !entry.radio.is_empty() {
            PolicyReason::RadioNotAllowed
        } else if entry.operator.is_some() {
            PolicyReason::OperatorNotAllowed
        } else {
            PolicyReason::CountryNotAllowed
        };
        let longest = entry.tac.iter().map(|tac| tac.digits()).max().unwrap_or(0);
        Self {
            action: entry.action,
            reason,
            radio: entry.radio.iter().copied().collect(),
            tacs: tacs.into(),
            narrowness: (longest, !entry.radio.is_empty()),
        }
    }

    fn fit(&self, radio: Option<Radio>, imei: Option<Imei>) -> Fit {
        let by_radio = match radio {
            _ if self.radio.is_any() => Fit::Fits,
            Some(radio) if self.radio.has(radio.class) => Fit::Fits,
            Some(radio) if radio.is_assigned => {
                return Fit::Misses(PolicyReason::RadioNotAllowed);
            }
            _ => Fit::Untold(PolicyReason::RadioNotAllowed),
        };
        let by_device = match imei.map(Imei::tac) {
            _ if self.tacs.is_empty() => Fit::Fits,
            None => Fit::Untold(PolicyReason::ImeiMissing),
            Some(tac) if self.has_tac(tac) => Fit::Fits,
            Some(_) => return Fit::Misses(PolicyReason::DeviceNotAllowed),
        };
        if by_radio == Fit::Fits { by_device } else { by_radio }
    }

    fn has_tac(&self, tac: u32) -> bool {
        let after = self.tacs.partition_point(|(first, _)| *first <= tac);
        after.checked_sub(1).is_some_and(|at| tac <= self.tacs[at].1)
    }
}
