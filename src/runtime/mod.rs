//! What the shells of the server share: the two clocks, its health, and the requests to reload.

pub mod clock;
pub(crate) mod health;
pub(crate) mod reloads;
pub(crate) mod watch;
pub use clock::{Clock, Now};
pub use health::Health;
pub use health::HealthSeverity;
pub use reloads::Applied;
pub use reloads::ReloadOutcome;
pub use reloads::Reloads;
