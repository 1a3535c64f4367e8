//! OpenID Connect relying party: authenticates users at a provider that the clinic trusts (OpenID Connect Core 1.0,
//! code flow with PKCE).

mod http;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::Uri;
use bedside_store::SessionHash;
use bedside_visit::{EmailAddress, Timestamp, UserId};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient,
    CoreClientAuthMethod, CoreGrantType, CoreIdTokenClaims, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, SubjectIdentifier, TokenResponse as _, UserInfoError,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use self::http::{Http, HttpError, is_safe};
use crate::auth::{PendingFlows, SecretToken};
use crate::config::OidcConfig;
use crate::http::error::Error;

/// The redirect URI path.
pub(crate) const BACK: &str = "/sign-in/provider/back";

/// How long a user may take to sign in at the provider.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// How long the provider's metadata is cached.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
/// Minimum age of the cached keys before they are fetched again because of an unknown signing key.
const RENEWED_AFTER: Duration = Duration::from_secs(60);
/// How long expired metadata stays in use while the provider is unreachable.
const GOOD_MEANWHILE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long requests are suspended after the provider could not be reached.
const PAUSE: Duration = Duration::from_secs(5);
/// Maximum age of an ID token on arrival, and the tolerated clock skew of the provider.
const TOKEN_AGE: Duration = Duration::from_secs(10 * 60);
const CLOCK_AHEAD: Duration = Duration::from_secs(60);

/// Accepted signature algorithms: neither shared-secret algorithms nor `none`.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 3] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// An OpenID provider with its cached metadata.
#[derive(Debug)]
pub(crate) struct IdentityProvider {
    config: OidcConfig,
    back: RedirectUrl,
    issuer: IssuerUrl,
    http: Http,
    known: Mutex<Known>,
    pub(crate) begun: PendingFlows<Begun>,
}

#[derive(Debug, Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Timestamp)>,
    failed: Option<Timestamp>,
}

/// Why a user is sent to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To sign in, and then continue to this path.
    SignIn(String),
    /// To link this account, whose password the user entered in this session.
    Connect(UserId, SessionHash),
}

/// The parameters of an authorization request.
pub(crate) struct Leaving {
    pub(crate) purpose: Purpose,
    /// The browser's secret, if it already has one from an earlier attempt.
    pub(crate) browser: Option<SecretToken>,
    /// Whether the provider asks the user to choose an account, because a user signed out in this browser before.
    pub(crate) choose_account: bool,
}

/// A sign-in in progress at the provider.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) purpose: Purpose,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// The query parameters of the authorization response.
#[derive(Deserialize)]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

/// The identity that the provider asserts.
pub(crate) struct Said {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The e-mail address, if it is verified.
    pub(crate) email: Option<EmailAddress>,
    /// Whether the provider verified a second factor.
    pub(crate) second_step: bool,
}

/// Why a sign-in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OidcError {
    /// The provider is unreachable or returned an invalid response.
    IdentityProvider,
    /// The response is not valid proof of identity. The code is written to the audit log.
    Refused(&'static str),
}

/// Provider metadata in addition to OpenID Connect Discovery 1.0.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct MoreMetadata {
    /// RFC 9207, section 3.
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    names_itself: bool,
    /// OpenID Connect RP-Initiated Logout 1.0, section 2.1.
    #[serde(default)]
    end_session_endpoint: Option<String>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type OidcClient =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

impl IdentityProvider {
    /// Creates a provider. Sends no request yet.
    ///
    /// # Errors
    /// A sentence that says which part of `[oidc]` is invalid.
    pub(crate) fn new(config: &OidcConfig, public_url: &str) -> Result<Self, String> {
        let fault = |_| "oidc.issuer: not a valid URL".to_owned();
        Ok(Self {
            config: config.clone(),
            back: RedirectUrl::new(format!("{public_url}{BACK}")).map_err(fault)?,
            issuer: IssuerUrl::new(config.issuer.clone()).map_err(fault)?,
            http: Http::new()?,
            known: Mutex::default(),
            begun: PendingFlows::new(GOOD_FOR),
        })
    }

    pub(crate) fn label(&self) -> &str {
        &self.config.label
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Returns the authorization URL, and the secret that binds the response to the browser.
    ///
    /// # Errors
    /// [`Error::IdentityProvider`] if the provider does not respond; [`Error::Internal`] if there is no randomness.
    pub(crate) async fn begin(&self, leaving: Leaving, now: Timestamp) -> Result<(String, SecretToken), Error> {
        let Leaving { purpose, browser, choose_account } = leaving;
        let metadata = self.metadata(now, KNOWN_FOR).await.map_err(|_| Error::IdentityProvider)?;
        let endpoint = metadata.authorization_endpoint().parse::<Uri>().map_err(|_| Error::IdentityProvider)?;
        if !is_safe(&endpoint) {
            tracing::error!("OpenID provider's authorization endpoint is not https (oidc.issuer)");
            return Err(Error::IdentityProvider);
        }
        let draw = || SecretToken::draw().map(|token| token.reveal().to_owned());
        let (state, nonce, verifier) = (draw()?, draw()?, draw()?);
        // RFC 7636, section 4.1: a verifier has at least 43 unreserved characters.
        let verifier = PkceCodeVerifier::new(verifier);
        let (drawn_state, nonce) = (CsrfToken::new(state.clone()), Nonce::new(nonce));
        let drawn_nonce = nonce.clone();
        let client = self.client(&metadata);
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || drawn_state, move || drawn_nonce)
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        if choose_account {
            request = request.add_prompt(CoreAuthPrompt::SelectAccount);
        }
        let (address, ..) = request.url();
        let token = self.begun.begin_attempt(browser, &state, Begun { purpose, nonce, verifier }, now)?;
        Ok((address.into(), token))
    }

    /// Takes the attempt that a response belongs to, if this browser started it. Works once. Each tab has its own
    /// attempt.
    pub(crate) fn take(&self, browser: &SecretToken, answer: &Answer, now: Timestamp) -> Option<Begun> {
        self.begun.take_attempt(browser, answer.state.as_deref()?, now)
    }

    /// Returns the URL for signing out at the provider, if it supports that (OpenID Connect RP-Initiated Logout 1.0,
    /// section 2).
    pub(crate) async fn sign_out_address(&self, back: &str, now: Timestamp) -> Option<String> {
        if !self.config.offer_sign_out {
            return None;
        }
        let metadata = self.metadata(now, KNOWN_FOR).await.ok()?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.as_deref()?;
        endpoint.parse::<Uri>().ok().filter(is_safe)?;
        let mut address = Url::parse(endpoint).ok()?;
        let mut query = address.query_pairs_mut();
        query.append_pair("client_id", &self.config.client_id).append_pair("post_logout_redirect_uri", back);
        drop(query);
        Some(address.into())
    }

    /// Redeems the authorization code and returns the user's identity.
    ///
    /// # Errors
    /// [`OidcError`].
    pub(crate) async fn finish(&self, begun: Begun, answer: Answer, now: Timestamp) -> Result<Said, OidcError> {
        let metadata = self.metadata(now, KNOWN_FOR).await?;
        // RFC 9207, section 2.4: reject responses of another issuer (mix-up attack).
        match &answer.iss {
            Some(iss) if *iss != self.config.issuer => return Err(OidcError::Refused("issuer")),
            None if metadata.additional_metadata().names_itself => return Err(OidcError::Refused("issuer")),
            Some(_) | None => {}
        }
        let code = answer.code.ok_or(OidcError::Refused("no_code"))?;
        let response = self.exchange(&metadata, code, begun.verifier).await?;
        let (mut said, address) = match self.verify(&metadata, &response, &begun.nonce, now) {
            // The provider may have rotated its keys, with new or unchanged key IDs.
            Err(OidcError::Refused("key" | "signature")) => {
                let metadata = self.metadata(now, RENEWED_AFTER).await?;
                self.verify(&metadata, &response, &begun.nonce, now)?
            }
            other => other?,
        };
        if !address {
            said.email = self.address(&metadata, &response, &said.subject).await;
        }
        Ok(said)
    }

    /// Requests the e-mail address from the userinfo endpoint, for providers that omit it from the ID token (OpenID
    /// Connect Core, section 5.3).
    async fn address(&self, metadata: &Metadata, response: &CoreTokenResponse, subject: &str) -> Option<EmailAddress> {
        let subject = SubjectIdentifier::new(subject.to_owned());
        let client = self.client(metadata);
        let request = client.user_info(response.access_token().clone(), Some(subject)).ok()?;
        let claims: CoreUserInfoClaims = match request.request_async(&self.http).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(reason = %reason_of(&error), "OpenID provider's userinfo request failed");
                return None;
            }
        };
        self.verified(claims.email().map(|email| email.as_str()), claims.email_verified())
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        code: String,
        verifier: PkceCodeVerifier,
    ) -> Result<CoreTokenResponse, OidcError> {
        let client = self.client(metadata);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|_| {
            tracing::error!("OpenID provider has no token endpoint (oidc.issuer)");
            OidcError::IdentityProvider
        })?;
        request.set_pkce_verifier(verifier).request_async(&self.http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(_) => OidcError::Refused("code"),
            RequestTokenError::Request(error) => unreachable(error),
            RequestTokenError::Parse(error, _) => {
                // The path names a field, such as `id_token` or `expires_in`, and contains no value.
                tracing::error!(field = %error.path(), "cannot parse the OpenID provider's token response");
                OidcError::IdentityProvider
            }
            RequestTokenError::Other(_) => {
                tracing::error!("cannot parse the OpenID provider's token response");
                OidcError::IdentityProvider
            }
        })
    }

    /// Verifies the ID token (OpenID Connect Core, section 3.1.3.7). Also returns whether it contains an e-mail
    /// address, verified or not.
    fn verify(
        &self,
        metadata: &Metadata,
        response: &CoreTokenResponse,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<(Said, bool), OidcError> {
        let token = response.id_token().ok_or(OidcError::Refused("no_token"))?;
        let client = self.client(metadata);
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or_default());
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || at.into())
            .set_issue_time_verifier_fn(move |issued| {
                let issued = Timestamp::from_millis(issued.timestamp_millis());
                let fits = now.since(issued) <= TOKEN_AGE && issued.since(now) <= CLOCK_AHEAD;
                if fits { Ok(()) } else { Err(String::new()) }
            });
        let claims = token.claims(&verifier, nonce).map_err(|error| OidcError::Refused(code_of(&error)))?;
        if claims.authorized_party().is_some_and(|party| **party != self.config.client_id) {
            return Err(OidcError::Refused("audience"));
        }
        Ok((self.said(claims), claims.email().is_some()))
    }

    fn said(&self, claims: &CoreIdTokenClaims) -> Said {
        let said_acr = claims.auth_context_ref().into_iter().map(|acr| acr.as_str());
        let said_amr = claims.auth_method_refs().into_iter().flatten().map(|amr| amr.as_str());
        let second_step = said_acr.chain(said_amr).any(|said| self.config.second_step.iter().any(|one| one == said));
        Said {
            issuer: self.config.issuer.clone(),
            subject: claims.subject().to_string(),
            email: self.verified(claims.email().map(|email| email.as_str()), claims.email_verified()),
            second_step,
        }
    }

    /// Returns the e-mail address if the provider says that it is verified, or if it does not say and the clinic
    /// trusts the provider for this domain.
    fn verified(&self, email: Option<&str>, said: Option<bool>) -> Option<EmailAddress> {
        let email: EmailAddress = email?.parse().ok()?;
        let domain = email.reveal().rsplit_once('@')?.1;
        let is_trusted =
            || self.config.trusted_email_domains.iter().any(|trusted| trusted.eq_ignore_ascii_case(domain));
        let is_verified = said.unwrap_or_else(is_trusted);
        is_verified.then_some(email)
    }

    fn client(&self, metadata: &Metadata) -> OidcClient {
        let (id, secret) = (self.config.client_id.clone(), self.config.client_secret.expose_secret().to_owned());
        // RFC 8414, section 2: the default is `client_secret_basic`.
        let takes = metadata.token_endpoint_auth_methods_supported();
        let basic = takes.is_none_or(|list| list.contains(&CoreClientAuthMethod::ClientSecretBasic));
        CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id), Some(ClientSecret::new(secret)))
            .set_redirect_uri(self.back.clone())
            .set_auth_type(if basic { AuthType::BasicAuth } else { AuthType::RequestBody })
    }

    /// Returns the provider's metadata and keys, from the cache if they are not older than `age`.
    async fn metadata(&self, now: Timestamp, age: Duration) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.known.lock().await;
        if let Some((metadata, at)) = &known.metadata
            && now.since(*at) < age
        {
            return Ok(Arc::clone(metadata));
        }
        let meanwhile = known.metadata.as_ref().filter(|(_, at)| now.since(*at) < GOOD_MEANWHILE);
        let meanwhile = meanwhile.map(|(metadata, _)| Arc::clone(metadata));
        if known.failed.is_some_and(|at| now.since(at) < PAUSE) {
            return meanwhile.ok_or(OidcError::IdentityProvider);
        }
        match Metadata::discover_async(self.issuer.clone(), &self.http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Known { metadata: Some((Arc::clone(&metadata), now)), failed: None };
                Ok(metadata)
            }
            Err(error) => {
                known.failed = Some(now);
                let failed = undiscovered(error);
                meanwhile.ok_or(failed)
            }
        }
    }
}

/// Returns a fixed error code, because the provider's own message may contain personal data.
const fn code_of(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "expired",
        ClaimsVerificationError::InvalidAudience(_) => "audience",
        ClaimsVerificationError::InvalidIssuer(_) => "issuer",
        ClaimsVerificationError::InvalidNonce(_) => "nonce",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => "key",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::DisallowedAlg(_)) => "algorithm",
        ClaimsVerificationError::SignatureVerification(_) => "signature",
        ClaimsVerificationError::InvalidAuthContext(_)
        | ClaimsVerificationError::InvalidAuthTime(_)
        | ClaimsVerificationError::InvalidSubject(_)
        | ClaimsVerificationError::Other(_)
        | ClaimsVerificationError::Unsupported(_)
        | _ => "token",
    }
}

/// Returns why the userinfo request failed, without the provider's message.
fn reason_of(error: &UserInfoError<HttpError>) -> String {
    match error {
        UserInfoError::Request(error) => error.to_string(),
        UserInfoError::Parse(error) => format!("cannot parse the field {}", error.path()),
        UserInfoError::Response(status, ..) => format!("status {status}"),
        UserInfoError::ClaimsVerification(error) => code_of(error).to_owned(),
        UserInfoError::Other(_) | _ => "unexpected response".to_owned(),
    }
}

fn unreachable(error: HttpError) -> OidcError {
    tracing::error!(%error, "OpenID provider request failed (oidc.issuer)");
    OidcError::IdentityProvider
}

fn undiscovered(error: DiscoveryError<HttpError>) -> OidcError {
    match error {
        DiscoveryError::Request(error) => return unreachable(error),
        DiscoveryError::Validation(_) => tracing::error!("OpenID provider's issuer differs from oidc.issuer"),
        DiscoveryError::Other(_)
        | DiscoveryError::Parse(_)
        | DiscoveryError::Response(..)
        | DiscoveryError::UrlParse(_)
        | _ => tracing::error!("OpenID provider's discovery document is invalid (oidc.issuer)"),
    }
    OidcError::IdentityProvider
}
