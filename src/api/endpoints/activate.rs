//! `POST /endpoints`: a SIM of the stock becomes an endpoint, for who knows its activation code
//! (PROTOCOL 12).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;

use super::read::read;
use super::told::{audit, tell};
use crate::aaa::{ChangeError, EndpointMutation, EndpointStep, Mutation};
use crate::api::access::{MayWrite, TokenBearer};
use crate::api::activation::CodeTry;
use crate::api::changes::carry_out;
use crate::api::envelope::{Answer, data};
use crate::api::families::body::{self, Fields, Given, Problems};
use crate::api::http::HttpState;
use crate::api::refusal::Refusal;
use crate::identity::{Iccid, endpoint_uuid};
use crate::provisioning::{ActivationCode, CodeHash, Endpoint, ProvisioningState};

pub(super) async fn activate(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    let aaa = &state.serving()?.aaa;
    let mut problems = Problems::default();
    let mut fields = Fields::new(body, "", &mut problems);
    let iccid =
        fields.parsed("iccid", |text| text.parse::<Iccid>().map_err(|error| error.rule.to_owned()));
    let code = read_code(&mut fields);
    let pending = Endpoint::new(ProvisioningState::Pending);
    let next = aaa.with_catalog(|catalog| read(&mut fields, &pending, catalog));
    if matches!(iccid, Given::Absent | Given::Null) {
        fields.invalid("iccid", "missing; give the ICCID that is printed on the SIM");
    }
    if code.is_none() {
        fields.invalid("activationCode", "missing; give the code that came with the SIM");
    }
    fields.finish();
    problems.result()?;
    let (Some(iccid), Some(code), next) = (iccid.value(), code, next?) else {
        return Err(ChangeError::Activation.into());
    };
    admit_code(&state, &bearer, iccid, &code)?;
    let mutation = EndpointMutation::new(iccid, EndpointStep::Activate(code, next));
    let changed = carry_out(&state, audit(&state, &bearer, iccid), move |aaa, now, writer| {
        aaa.change(Mutation::Endpoint(mutation), None, now, writer)
    })
    .await?;
    tell(&bearer, iccid, "activated");
    Ok(data(endpoint_uuid(iccid).to_string()).versioned(changed.version))
}

/// The activation code of a body, if there is one. Whatever else stands there is a wrong code, and
/// told as one.
pub(super) fn read_code(fields: &mut Fields<'_>) -> Option<CodeHash> {
    let code = fields.parsed("activationCode", |text| {
        ActivationCode::hash(text.as_bytes()).map_err(str::to_owned)
    });
    code.value()
}

/// Whether a code belongs to a SIM of the stock. What is wrong is counted, and may not be tried too
/// often.
pub(super) fn admit_code(
    state: &HttpState,
    bearer: &TokenBearer,
    iccid: Iccid,
    code: &CodeHash,
) -> Result<(), Refusal> {
    let aaa = &state.serving()?.aaa;
    let now = state.common.clock.now().running;
    match state.activations.judge(&bearer.token, iccid, now, || aaa.is_code_of(iccid, code)) {
        CodeTry::Right => Ok(()),
        CodeTry::Wrong => {
            tell(bearer, iccid, "wrong activation code");
            Err(ChangeError::Activation.into())
        }
        CodeTry::Limited(wait) => Err(Refusal::limited("too many wrong activation codes", wait)),
    }
}
