//! One POST to a receiver: bounded in time and size, never redirected, never to ourselves.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::delivery::{DeliveryOutcome, base64};
use crate::provisioning::Webhook;

/// Octets of an answer that are read: so the connection can be used again.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Connections to one receiver that are kept for the next events.
const KEPT_CONNECTIONS: usize = 8;

/// The receiver of a handler, with its connections.
#[derive(Clone, Debug)]
pub struct HookTarget {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
}

/// What came of a POST.
#[derive(Clone, Debug)]
pub struct PostAnswer {
    /// `None`: no answer.
    pub status: Option<u16>,
    pub outcome: DeliveryOutcome,
    pub took: Duration,
}

impl HookTarget {
    /// `own` are the addresses on which this server listens itself.
    #[must_use]
    pub fn new(webhook: &Webhook, own: &[SocketAddr]) -> Self {
        let timeout = Duration::from_secs(webhook.timeout.parse().unwrap_or(10));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections_per_host(KEPT_CONNECTIONS)
            .user_agent(concat!("attachd/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(timeout))
            .build();
        let resolver = GuardedResolver { inner: DefaultResolver::default(), own: own.to_vec() };
        let basic = |user: &str| {
            let password = webhook.password.as_deref().unwrap_or_default();
            format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
        };
        let bearer = webhook.bearer.as_ref().map(|token| format!("Bearer {token}"));
        Self {
            agent: ureq::Agent::with_parts(config, DefaultConnector::default(), resolver),
            url: webhook.url.to_string(),
            authorization: bearer.or_else(|| webhook.username.as_deref().map(basic)),
        }
    }

    /// Posts JSON. Waits for the answer, at most as long as the handler allows.
    #[allow(clippy::disallowed_methods, reason = "a person is told how long it took")]
    #[must_use]
    pub fn post(&self, headers: &[(&str, String)], body: &[u8]) -> PostAnswer {
        let began = Instant::now();
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (status, outcome) = match request.send(body) {
            Ok(mut response) => {
                let status = response.status().as_u16();
                let header = response.headers().get("retry-after");
                let retry_after = header.and_then(|value| value.to_str().ok());
                let outcome = DeliveryOutcome::of_status(status, retry_after);
                // Whatever it says: the status has been understood.
                let _ = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
                (Some(status), outcome)
            }
            Err(ureq::Error::Other(error)) if error.is::<ForbiddenTarget>() => {
                (None, DeliveryOutcome::Refused { why: error.to_string() })
            }
            Err(error) => {
                (None, DeliveryOutcome::Again { why: error.to_string(), retry_after: None })
            }
        };
        PostAnswer { status, outcome, took: began.elapsed() }
    }
}

/// An address that events are not sent to.
#[derive(Debug)]
struct ForbiddenTarget(SocketAddr);

impl std::fmt::Display for ForbiddenTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is no target: link-local, or a listener of this server", self.0)
    }
}

impl std::error::Error for ForbiddenTarget {}

/// Refuses names that lead to addresses that are no targets: looked at when the connection is made,
/// since a name may mean another address each time.
#[derive(Debug)]
struct GuardedResolver {
    inner: DefaultResolver,
    own: Vec<SocketAddr>,
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        match found.iter().find(|address| is_forbidden(**address, &self.own)) {
            Some(address) => Err(ureq::Error::Other(Box::new(ForbiddenTarget(*address)))),
            None => Ok(found),
        }
    }
}

fn is_forbidden(target: SocketAddr, own: &[SocketAddr]) -> bool {
    let ip = target.ip().to_canonical();
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let is_own = |listener: &SocketAddr| {
        let of = listener.ip().to_canonical();
        let is_this_machine = ip.is_loopback() || ip.is_unspecified();
        listener.port() == target.port()
            && (of == ip || of.is_unspecified() || of.is_loopback() && is_this_machine)
    };
    is_link_local || own.iter().any(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_and_ourselves_are_no_targets() {
        let own = ["127.0.0.1:8080".parse().unwrap(), "0.0.0.0:9090".parse().unwrap()];
        let cases = [
            ("169.254.169.254:80", true),
            ("[fe80::1]:80", true),
            ("[::ffff:169.254.0.1]:80", true),
            ("127.0.0.1:8080", true),
            ("127.0.0.2:8080", true),
            ("192.0.2.1:9090", true),
            ("127.0.0.1:8081", false),
            ("192.0.2.1:8080", false),
        ];
        for (target, expected) in cases {
            assert_eq!(is_forbidden(target.parse().unwrap(), &own), expected, "{target}");
        }
    }
}
