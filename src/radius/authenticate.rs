//! Authenticates a request: the sender must know the secret, and must have signed what has to be
//! signed (PROTOCOL 1).

use super::gateways::Gateway;
use crate::metrics::counters::Dropped;
use crate::wire::{Code, Datagram, Forged, MessageAuthenticator, RadiusVersion, number};

/// Whether the sender is who its address says, and has signed what must be signed.
pub(super) fn authenticate(
    proof: Result<(), Forged>,
    request: &Datagram<'_>,
    gateway: &Gateway,
) -> Result<(), Dropped> {
    proof.map_err(dropped)?;
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

/// The same over TLS, where the certificate has said who it is: what a gateway's settings ask for
/// is not asked for, but what is there must be right (PROTOCOL 20). RADIUS/1.1 has none of it, and
/// what a sender puts there all the same is ignored (RFC 9765 5.2).
pub(super) fn authenticate_stream(
    proof: Result<(), Forged>,
    request: &Datagram<'_>,
    version: RadiusVersion,
) -> Result<(), Dropped> {
    if version == RadiusVersion::V1_1 {
        return Ok(());
    }
    proof.map_err(dropped)?;
    // RFC 5997 3, RFC 3579 3.1.
    let must_sign = request.code() == Code::STATUS_SERVER || request.contains(number::EAP_MESSAGE);
    let is_signed = request.message_authenticator() == MessageAuthenticator::Present;
    if must_sign && !is_signed { Err(Dropped::MissingMessageAuthenticator) } else { Ok(()) }
}

fn dropped(forged: Forged) -> Dropped {
    match forged {
        Forged::Authenticator => Dropped::BadAuthenticator,
        Forged::MessageAuthenticator => Dropped::BadMessageAuthenticator,
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
