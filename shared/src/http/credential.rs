//! The credentials of a request: its bearer token, its signature.

use lambda_http::http::header::{self, HeaderMap};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use super::{Call, LARGEST_BODY};
use crate::admission::{self, Token};
use crate::app::App;
use crate::digest::sha256;
use crate::error::Error;
use crate::identity::Principal;
use crate::identity::signature::{self, Message, Signature};
use crate::telemetry::Degraded;

/// The parts that a signature can cover, collected only for a request that has one.
pub(super) struct Signed {
    message: Message,
    /// The SHA-256 of the body as it came; `None` if there is none.
    digest: Option<[u8; 32]>,
}

impl Signed {
    /// Collects the signature's parts; `None` if the request is not signed. Either header alone is a broken signature,
    /// not none.
    pub(super) fn collect(request: &Request, query: &[(String, String)]) -> Option<Self> {
        let headers = request.headers();
        if !headers.contains_key("signature") && !headers.contains_key("signature-input") {
            return None;
        }
        let path = match request.request_context_ref() {
            // As the client sent it, with the stage if that is part of it.
            Some(RequestContext::ApiGatewayV1(context)) => context.path.clone(),
            _ => None,
        };
        let fields = headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let body = request.body();
        let message = Message {
            method: request.method().to_string(),
            authority: authority(headers),
            path: path.unwrap_or_else(|| request.uri().path().to_owned()),
            query: query.to_vec(),
            fields: fields.collect(),
        };
        let hashed = !body.is_empty() && body.len() <= LARGEST_BODY;
        let digest = hashed.then(|| sha256(body));
        Some(Self { message, digest })
    }
}

/// RFC 9421, section 2.2.3: in lower case, without the scheme's own port.
fn authority(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let bare = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80"));
    bare.unwrap_or(&host).to_owned()
}

impl Call {
    /// Returns the principal of the bearer token; the request's signature, if it has one, must be the session's. An
    /// expired token counts for the address before the identity table is asked for grace.
    ///
    /// # Errors
    /// As [`admission::authenticate`], [`admission::honour_in_grace`] and [`admission::check_user_signature`].
    pub async fn principal(&mut self, app: &App) -> Result<Principal, Error> {
        let principal = match self.authenticate(app).await? {
            Token::Good(principal) => principal,
            Token::Expired(principal) => {
                self.visit(app).await?;
                admission::honour_in_grace(app, &principal, self.now).await?;
                self.record.note(Degraded::Auth);
                principal
            }
        };
        self.check_signature(app, &principal).await?;
        Ok(Principal {
            source: Some(self.source.clone()),
            ..principal
        })
    }

    /// Returns the principal of a request that reads or changes the user's own data: the session must be alive, and
    /// there is no grace.
    ///
    /// # Errors
    /// As [`Call::visit`] and [`Call::principal`]; [`Error::Unavailable`] when the identity table is down.
    pub async fn member(&mut self, app: &App) -> Result<Principal, Error> {
        let Token::Good(principal) = self.authenticate(app).await? else {
            return Err(Error::Unauthenticated("the token has expired"));
        };
        self.visit(app).await?;
        self.check_signature(app, &principal).await?;
        admission::require_session(app, &principal, self.now).await?;
        Ok(principal)
    }

    async fn authenticate(&self, app: &App) -> Result<Token, Error> {
        let bearer = bearer(&self.headers)?;
        admission::authenticate(app, bearer, self.fingerprint(), self.now).await
    }

    async fn check_signature(&mut self, app: &App, principal: &Principal) -> Result<(), Error> {
        admission::check_user_signature(app, principal, self.signature(), self.now).await?;
        self.record.user_id = Some(principal.user.clone());
        self.record.tier = Some(principal.tier.clone());
        Ok(())
    }

    /// Returns the `keyid` of the admin who signed this request.
    ///
    /// # Errors
    /// As [`Call::visit`] and [`admission::authenticate_admin`].
    pub async fn admin(&mut self, app: &App) -> Result<String, Error> {
        self.visit(app).await?;
        admission::authenticate_admin(app, self.signature(), self.now).await
    }

    /// Returns once the request is known to be an operator's: of a caller whom the gateway let through by IAM, or signed by an admin.
    ///
    /// # Errors
    /// As [`Call::admin`].
    pub async fn operator(&mut self, app: &App) -> Result<(), Error> {
        if self.has_iam_caller {
            return self.visit(app).await;
        }
        self.admin(app).await.map(|_| ())
    }

    /// Returns whether an admin signed this request, which only looks. A request without a signature is a stranger's; so is one
    /// that cannot be checked, because the admins' keys cannot be read.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a signature that is no admin's.
    pub async fn is_admins_look(&self, app: &App) -> Result<bool, Error> {
        let Some(signature) = self.signature() else {
            return Ok(false);
        };
        match admission::check_admin_look(app, signature, self.now).await {
            Ok(()) => Ok(true),
            Err(Error::Unavailable(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn signature(&self) -> Option<Result<Signature, &'static str>> {
        let signed = self.signed.as_ref()?;
        Some(signature::read(
            &signed.message,
            signed.digest.as_ref().map(<[u8; 32]>::as_slice),
            self.now,
        ))
    }
}

/// Returns the bearer token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::Unauthenticated("several credentials"));
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim_matches(' ')))
    } else {
        Err(Error::Unauthenticated("the credential is no bearer token"))
    }
}
