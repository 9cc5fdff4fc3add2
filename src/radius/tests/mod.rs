//! The shell as a gateway sees it, datagram by datagram, on a clock of the test's own and without a
//! socket.

mod answers;
mod clock_steps;
mod commits;
mod duplicates;
mod refusals;
mod secrets;
mod status;
pub(crate) mod test_server;
