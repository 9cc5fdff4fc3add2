//! The shell as a gateway sees it, datagram by datagram, on a clock of the test's own and without a socket.

mod answers;
mod clock_steps;
mod commits;
mod duplicates;
mod refusals;
pub(super) mod scene;
mod secrets;
mod status;
