//! One order, from its names to a certificate (RFC 8555, 7.4 and 7.5).

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::time::Duration;

use super::{AcmeError, ChallengeTokens, OpenChallenge};
use crate::tls::identity::CertificateError;

/// Proves that `names` are ours and fetches their certificate; returns a new key and the chain as
/// one PEM text.
pub(super) async fn obtain(
    account: &Account,
    names: &[String],
    tokens: &ChallengeTokens,
) -> Result<String, AcmeError> {
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let open = answer_challenges(&mut order, tokens).await?;
    let outcome = order.poll_ready(&PATIENCE).await;
    if !matches!(outcome, Ok(OrderStatus::Ready)) {
        return Err(explain(&mut order, outcome).await);
    }
    drop(open);

    let (key, request) = signing_request(names)
        .map_err(|source| CertificateError::Generate { names: names.to_owned(), source })?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(key + &chain)
}

/// Lays out the answers and calls the authority to look; they stand until the guards are dropped.
async fn answer_challenges(
    order: &mut Order,
    tokens: &ChallengeTokens,
) -> Result<Vec<OpenChallenge>, AcmeError> {
    let mut open = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let name = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(AcmeError::NotProven { name, reason: format!("{status:?}") }),
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            return Err(AcmeError::NoHttpChallenge { name });
        };
        open.push(tokens.open(&challenge.token, challenge.key_authorization().as_str()));
        challenge.set_ready().await?;
        tracing::info!(name, "the authority checks our answer");
    }
    Ok(open)
}

/// The authority's reason stands in the challenge, not in the order.
async fn explain(
    order: &mut Order,
    outcome: Result<OrderStatus, instant_acme::Error>,
) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { break };
        let fault = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = fault {
            return AcmeError::NotProven { name, reason: problem.to_string() };
        }
    }
    match outcome {
        Err(error) => error.into(),
        Ok(status) => instant_acme::Error::Other(format!("order is {status:?}").into()).into(),
    }
}

/// A new key, as PEM, and the request to certify it, as DER.
fn signing_request(names: &[String]) -> Result<(String, Vec<u8>), rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let request = params.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}

/// How often and how long an order is looked at.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
