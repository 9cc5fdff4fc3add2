//! Authenticates a request: the sender must know the secret, and must have signed what has to be
//! signed (PROTOCOL 1).

use super::gateways::Gateway;
use crate::metrics::counters::Dropped;
use crate::wire::{Code, Datagram, Forged, MessageAuthenticator, number};

/// Whether the sender is who its address says, and has signed what must be signed.
pub(super) fn authenticate(
    proof: Result<(), Forged>,
    request: &Datagram<'_>,
    gateway: &Gateway,
) -> Result<(), Dropped> {
    proof.map_err(|forged| match forged {
        Forged::Authenticator => Dropped::BadAuthenticator,
        Forged::MessageAuthenticator => Dropped::BadMessageAuthenticator,
    })?;
    let is_signed = request.message_authenticator() == MessageAuthenticator::Present;
    match request.code() {
        // RFC 5997 3.
        Code::STATUS_SERVER if !is_signed => Err(Dropped::MissingMessageAuthenticator),
        // What a gateway's settings ask for concerns Access-Requests only, and only those teach
        // "auto" (PROTOCOL 10).
        Code::ACCESS_REQUEST if is_signed => {
            gateway.note_signature();
            Ok(())
        }
        Code::ACCESS_REQUEST => may_be_unsigned(request, gateway),
        _ => Ok(()),
    }
}

fn may_be_unsigned(request: &Datagram<'_>, gateway: &Gateway) -> Result<(), Dropped> {
    let has_credentials = [number::USER_PASSWORD, number::CHAP_PASSWORD, number::ARAP_PASSWORD]
        .into_iter()
        .any(|number| request.contains(number));
    // RFC 3579 3.1 and 3.3 note 1.
    let must_sign = gateway.requires_signature()
        || request.contains(number::EAP_MESSAGE)
        || !(has_credentials || gateway.is_lenient());
    if must_sign {
        return Err(Dropped::MissingMessageAuthenticator);
    }
    if gateway.limit_proxy_state && request.contains(number::PROXY_STATE) {
        return Err(Dropped::ProxyStateLimited);
    }
    Ok(())
}
