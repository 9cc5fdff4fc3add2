//! Where events leave the server: webhooks. A thread of its own reads the log of events behind the
//! commits; nobody who decides ever waits for a receiver.

mod marks_file;
mod post;
mod receiver;
mod webhooks;

pub use post::{HookTarget, PostAnswer};
pub use receiver::ReceiverCounts;
pub use webhooks::{WebhookThread, Webhooks};
