//! Whether colours are wanted at all; that they go to terminals only is for each writer to see to.

/// NO_COLOR, if not empty, forbids them (no-color.org).
pub(super) fn is_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
