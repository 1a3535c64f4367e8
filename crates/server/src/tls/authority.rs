//! Places an ACME order, from the account to the certificate (RFC 8555, section 7). The certificate authority
//! validates the host with a TLS-ALPN-01 challenge (RFC 8737).

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AuthorizationStatus, ChallengeType, Error, Identifier, Key, NewAccount, NewOrder, Order,
    OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CertificateSigningRequest, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::cache::Cache;
use super::cache::unusable;
use super::http::{Http, with_causes};
use super::served::{Served, challenge_certificate};
use crate::config::AcmeConfig;

/// How long validating the host may take.
const VALIDATION: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(60));
/// How long issuing the certificate may take.
const ISSUANCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(20 * 60));
/// RFC 8555, section 6.7.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// A certificate authority and the parameters of orders.
pub(super) struct Authority {
    host: String,
    contact: String,
    directory: String,
    http: Http,
    cache: Cache,
    /// The account key, once it is known.
    account_key: Option<PrivatePkcs8KeyDer<'static>>,
}

/// Why an order failed.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Acme(#[from] Error),
    #[error("cannot create a certificate signing request")]
    Signing(#[from] rcgen::Error),
    #[error("cannot answer the challenge: {0}")]
    Answer(String),
    #[error("the certificate authority does not offer TLS-ALPN-01 validation")]
    NoChallenge,
    #[error("unexpected authorization status: {0:?}")]
    Authorization(AuthorizationStatus),
    #[error("the certificate authority cannot validate the host: {0}")]
    Validation(Problem),
    #[error("unexpected order status: {0:?}")]
    Order(OrderStatus),
}

impl Authority {
    /// Creates the client for a host from the configuration.
    pub(super) fn new(host: &str, acme: &AcmeConfig, http: Http, cache: Cache) -> Self {
        Self {
            host: host.to_owned(),
            contact: acme.contact_url(),
            directory: acme.directory.clone(),
            http,
            cache,
            account_key: None,
        }
    }

    /// Orders a certificate. Returns its private key and chain in PEM format.
    ///
    /// # Errors
    /// The reason and its causes.
    pub(super) async fn order(&mut self, served: &Served) -> Result<String, String> {
        let ordered = self.complete_order(served).await;
        served.end_challenge();
        ordered.map_err(|error| with_causes(&error))
    }

    async fn complete_order(&mut self, served: &Served) -> Result<String, OrderError> {
        let account = self.account().await?;
        let host = [Identifier::Dns(self.host.clone())];
        let mut order = account.new_order(&NewOrder::new(&host)).await?;
        self.accept_challenge(&mut order, served).await?;
        validated(&mut order).await?;
        let (key, request) = signing_request(&self.host)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&ISSUANCE).await?;
        Ok([&*key.serialize_pem(), "\n", &chain].concat())
    }

    /// Returns the account of the cached key, or registers a new one.
    async fn account(&mut self) -> Result<Account, OrderError> {
        if self.account_key.is_none() {
            self.account_key = self.cached_key().await;
        }
        if let Some(key) = &self.account_key {
            let pair = (Key::from_pkcs8_der(key.clone_key())?, PrivateKeyDer::Pkcs8(key.clone_key()));
            match self.builder().from_key(pair, self.directory.clone()).await {
                // The authority no longer knows the account.
                Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {}
                account => return Ok(account?.0),
            }
        }
        self.new_account().await
    }

    async fn new_account(&mut self) -> Result<Account, OrderError> {
        // `Config` validation requires that the operator accepts the terms of service.
        let account =
            NewAccount { contact: &[&self.contact], terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = self.builder().create(&account, self.directory.clone(), None).await?;
        let key = credentials.private_key();
        match self.cache.store_account_key(key.secret_pkcs8_der()).await {
            Ok(()) => tracing::info!("ACME account registered, account key cached"),
            Err(error) => unusable("account store", &error),
        }
        self.account_key = Some(key.clone_key());
        Ok(account)
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(Box::new(self.http.clone()))
    }

    async fn cached_key(&self) -> Option<PrivatePkcs8KeyDer<'static>> {
        match self.cache.account_key().await {
            Ok(key) => key.map(PrivatePkcs8KeyDer::from),
            Err(error) => {
                unusable("account load", &error);
                None
            }
        }
    }

    /// Serves the challenge response and asks the authority to validate the host (RFC 8555, section 7.5.1).
    async fn accept_challenge(&self, order: &mut Order, served: &Served) -> Result<(), OrderError> {
        // There is one authorization per identifier, so there is exactly one.
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Pending => {}
                AuthorizationStatus::Valid => continue,
                status @ (AuthorizationStatus::Invalid
                | AuthorizationStatus::Revoked
                | AuthorizationStatus::Expired
                | AuthorizationStatus::Deactivated) => return Err(OrderError::Authorization(status)),
            }
            let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or(OrderError::NoChallenge)?;
            let digest = challenge.key_authorization().digest();
            let answer = challenge_certificate(&self.host, digest.as_ref()).map_err(OrderError::Answer)?;
            served.answer_challenge(Arc::new(answer));
            challenge.set_ready().await?;
        }
        Ok(())
    }
}

/// Waits until the host is validated.
async fn validated(order: &mut Order) -> Result<(), OrderError> {
    let status = match order.poll_ready(&VALIDATION).await {
        Ok(OrderStatus::Ready) => return Ok(()),
        Ok(status) => OrderError::Order(status),
        Err(error) => OrderError::Acme(error),
    };
    Err(failed_challenge(order).await.map_or(status, OrderError::Validation))
}

/// Returns why validation failed. The challenge contains the error (RFC 8555, section 8), but the order does not
/// always.
async fn failed_challenge(order: &mut Order) -> Option<Problem> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return Some(problem);
        }
    }
    None
}

/// Generates a private key and a certificate signing request with the host as its only name.
fn signing_request(host: &str) -> Result<(KeyPair, CertificateSigningRequest), rcgen::Error> {
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = params.serialize_request(&key)?;
    Ok((key, request))
}
