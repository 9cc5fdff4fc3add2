//! Who asks: from the token of a request to a permission. A handler that looks or changes has to
//! hold the permission as a value, so none can forget to ask for it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::audit::{Call, CallerSlot};
use super::http::dialect::is_platform;
use super::http::{HttpState, IsLocal, Peer};
use super::rates::RateKind;
use super::refusal::Refusal;
use crate::tokens::{TokenRole, Tokens};

/// Whoever has a valid token.
#[derive(Clone, Debug)]
pub(crate) struct TokenBearer {
    pub(crate) token: String,
    pub(crate) role: TokenRole,
    /// When the token ends, as a date; `None`: never.
    pub(crate) expires: Option<String>,
    /// What it asks for.
    pub(crate) call: Call,
}

/// The permission to look at everything but secrets.
#[derive(Clone, Debug)]
pub(crate) struct MayRead(pub(crate) TokenBearer);

/// The permission to change objects and single endpoints.
#[derive(Clone, Debug)]
pub(crate) struct MayWrite(pub(crate) TokenBearer);

/// The permission to change many endpoints at once, and what else is not for everybody.
#[derive(Clone, Debug)]
pub(crate) struct MayAdminister(pub(crate) TokenBearer);

/// The permission to look at what was open before there were tokens: a token that may read; or
/// none, on this machine, as long as no token exists.
#[derive(Clone, Debug)]
pub(crate) struct MayView {
    /// Whose token it is; empty: nobody's.
    pub(crate) token: String,
}

/// The permission to ask for a reload, from this machine only: a token that may write; or none, as
/// long as no token exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MayReload;

impl FromRequestParts<Arc<HttpState>> for MayRead {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<HttpState>,
    ) -> Result<Self, Refusal> {
        caller(parts, state, TokenRole::Read).map(Self)
    }
}

impl FromRequestParts<Arc<HttpState>> for MayWrite {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<HttpState>,
    ) -> Result<Self, Refusal> {
        caller(parts, state, TokenRole::Write).map(Self)
    }
}

impl FromRequestParts<Arc<HttpState>> for MayAdminister {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<HttpState>,
    ) -> Result<Self, Refusal> {
        caller(parts, state, TokenRole::Admin).map(Self)
    }
}

impl TokenBearer {
    /// Whether the token's role is enough for something that only some requests ask for.
    pub(crate) fn needs(&self, needed: TokenRole) -> Result<(), Refusal> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "token \"{}\" has role {}; this needs {}",
            self.token,
            self.role.as_str(),
            needed.as_str()
        )))
    }
}

impl FromRequestParts<Arc<HttpState>> for MayView {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<HttpState>,
    ) -> Result<Self, Refusal> {
        if is_open_here(parts) && tokens(state)?.is_none_or(|tokens| tokens.is_empty()) {
            return Ok(Self { token: String::new() });
        }
        caller(parts, state, TokenRole::Read).map(|bearer| Self { token: bearer.token })
    }
}

impl FromRequestParts<Arc<HttpState>> for MayReload {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<HttpState>,
    ) -> Result<Self, Refusal> {
        if !is_peer_local(parts) {
            return Err(Refusal::forbidden("this can be asked from this machine only"));
        }
        if tokens(state)?.is_none_or(|tokens| tokens.is_empty()) {
            return Ok(Self);
        }
        caller(parts, state, TokenRole::Write).map(|_| Self)
    }
}

/// Whether the listener, and whoever asks, are on this machine.
fn is_open_here(parts: &Parts) -> bool {
    let is_local = parts.extensions.get::<IsLocal>().is_some_and(|IsLocal(is_local)| *is_local);
    is_local && is_peer_local(parts)
}

fn is_peer_local(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<Peer>();
    peer.is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback())
}

fn caller(parts: &Parts, state: &HttpState, needed: TokenRole) -> Result<TokenBearer, Refusal> {
    let bearer = bearer(parts, state)?;
    if let Some(slot) = parts.extensions.get::<CallerSlot>() {
        slot.set(&bearer);
    }
    if is_platform(parts.uri.path()) {
        let now = state.common.clock.now().running;
        state.rates.admit(&bearer.token, RateKind::Platform, now)?;
    }
    bearer.needs(needed)?;
    Ok(bearer)
}

/// Who asks, whatever for.
pub(crate) fn bearer(parts: &Parts, state: &HttpState) -> Result<TokenBearer, Refusal> {
    let mut given = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else {
        return Err(Refusal::unauthenticated());
    };
    let secret = given.to_str().ok().and_then(|text| {
        let (scheme, secret) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| secret.trim())
    });
    let secret = secret.ok_or_else(Refusal::unauthenticated)?;
    let tokens = tokens(state)?.ok_or_else(|| state.not_ready())?;
    let now = state.common.clock.now().wall;
    let token = tokens.verify(secret, now).ok_or_else(Refusal::unauthenticated)?;
    let date = |time: crate::time::Timestamp| time.to_string().chars().take(10).collect();
    Ok(TokenBearer {
        token: token.name.as_str().to_owned(),
        role: token.role,
        expires: token.expires.map(date),
        call: Call::of(parts),
    })
}

/// The tokens in force; `None` while the server has not opened its data folder.
fn tokens(state: &HttpState) -> Result<Option<Arc<Tokens>>, Refusal> {
    let Some(cache) = state.tokens.get() else { return Ok(None) };
    let unreadable =
        |error| Refusal::not_ready(vec![format!("the tokens cannot be read: {error}")]);
    cache.tokens(state.common.clock.now().wall).map(Some).map_err(unreadable)
}
