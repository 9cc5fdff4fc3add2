//! The delivery of events to one receiver as a pure machine: what is sent when, what an answer
//! means, and when something is given up. `now` and randomness are arguments.

mod machine;
mod outcome;
mod signature;

pub use machine::{Attempt, DeadLetter, DeliveryMachine, DeliveryMarks, GivenUp};
pub use outcome::DeliveryOutcome;
pub use signature::{SigningSecret, base64};
