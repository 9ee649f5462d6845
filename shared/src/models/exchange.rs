//! One question to one provider, as requests: in its protocol, with its key, at its address. A feature of the form that a
//! provider refuses is given up and not sent to it again by this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lambda_http::http::Request;

use super::failure::Failure;
use super::form::Form;
use super::refusal::{self, About};
use super::request::{ModelReply, ModelRequest};
use super::sign::{Scope, signed};
use super::transport::{HttpAnswer, Transport, traced};
use super::{bedrock, openai};
use crate::clock::Timestamp;
use crate::config::providers::{ProviderName, ProviderSettings};
use crate::config::{AwsCredentials, Config, Secret};
use crate::secrets::Held;

/// The way to all models beyond this process.
#[derive(Debug)]
pub struct Exchange {
    settings: ProviderSettings,
    region: String,
    credentials: Option<AwsCredentials>,
    transport: Transport,
    /// The key of `OpenAI`'s protocol, if calls carry one.
    key: Option<Held<Secret>>,
    /// The forms of providers that have refused a stricter one.
    forms: Mutex<HashMap<ProviderName, Form>>,
    /// The place of the one of Bedrock's two names that was reached last.
    bedrock_name: AtomicUsize,
}

impl Exchange {
    /// As configured, with the key of `OpenAI`'s protocol.
    #[must_use]
    pub fn new(config: &Config, key: Option<Held<Secret>>) -> Self {
        Self {
            settings: config.providers.clone(),
            region: config.region.clone(),
            credentials: config.credentials.clone(),
            transport: Transport::default(),
            key,
            forms: Mutex::default(),
            bedrock_name: AtomicUsize::new(0),
        }
    }

    /// Returns the most tokens that `name` is told to write in answer to a question.
    #[must_use]
    pub fn most_output(&self, name: &ProviderName, request: &ModelRequest) -> u32 {
        let needed = || {
            self.sent(name, self.form(name), request)
                .most_output(name, request.max_output)
        };
        self.settings.max_output.of(name).unwrap_or_else(needed)
    }

    /// Asks `name`, again as long as it refuses another feature of the form.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(
        &self,
        name: &ProviderName,
        request: &ModelRequest,
        trace: Option<&str>,
        now: Timestamp,
    ) -> Result<ModelReply, Failure> {
        let mut key = self.key(name, now).await?;
        let mut renewed = false;
        loop {
            let form = self.form(name);
            let answer = self.send(name, request, form, (key.as_deref(), trace), now).await?;
            let Err(failure) = succeeded(&answer) else {
                return read(name, request, &answer.body);
            };
            match refusal::about(answer.status, &answer.body) {
                About::Content => return Err(Failure::Content(answer.status)),
                About::Form(feature) => match form.without(feature) {
                    Some(lesser) => self.learn(name, form, lesser),
                    None => return Err(failure),
                },
                // The key may have been replaced since it was read.
                About::Other if answer.status == 401 && !renewed => match self.renewed(key.as_ref(), now).await {
                    Some(other) => (key, renewed) = (Some(other), true),
                    None => return Err(failure),
                },
                About::Other => return Err(failure),
            }
        }
    }

    async fn send(
        &self,
        name: &ProviderName,
        request: &ModelRequest,
        form: Form,
        (key, trace): (Option<&Secret>, Option<&str>),
        now: Timestamp,
    ) -> Result<HttpAnswer, Failure> {
        let bound = (self.sent(name, form, request), self.most_output(name, request));
        match name {
            ProviderName::Local => Err(Failure::Unasked("the embedded model is not asked over the network")),
            ProviderName::OpenAi(model) => {
                let request = openai::request(&self.settings.openai, key, model, request, bound)?;
                self.transport.send(traced(request, trace), now).await
            }
            ProviderName::Bedrock(model) => {
                let build = |endpoint: &str| {
                    let request = traced(bedrock::request(endpoint, model, request, bound)?, trace);
                    self.signed(request, now)
                };
                if let Some(endpoint) = &self.settings.bedrock_endpoint {
                    return self.transport.send(build(endpoint)?, now).await;
                }
                let names = bedrock::endpoints(&self.region);
                let last = self.bedrock_name.load(Ordering::Relaxed) % names.len();
                match self.transport.send(build(&names[last])?, now).await {
                    Err(Failure::Unreachable) => {
                        let other = (last + 1) % names.len();
                        let answer = self.transport.send(build(&names[other])?, now).await?;
                        self.bedrock_name.store(other, Ordering::Relaxed);
                        Ok(answer)
                    }
                    answer => answer,
                }
            }
        }
    }

    fn signed(&self, request: Request<String>, now: Timestamp) -> Result<Request<String>, Failure> {
        let scope = Scope {
            credentials: self.credentials.as_ref(),
            region: &self.region,
            service: "bedrock",
        };
        signed(request, scope, now)
    }

    async fn key(&self, name: &ProviderName, now: Timestamp) -> Result<Option<Arc<Secret>>, Failure> {
        let (ProviderName::OpenAi(_), Some(key)) = (name, &self.key) else {
            return Ok(None);
        };
        key.current(now).await.map(Some).map_err(|error| {
            tracing::warn!(%error, "the provider's key cannot be read");
            Failure::Unasked("the provider's key cannot be read")
        })
    }

    /// Reads the key again; `None` unless it is another one than `refused`.
    async fn renewed(&self, refused: Option<&Arc<Secret>>, now: Timestamp) -> Option<Arc<Secret>> {
        let (key, refused) = (self.key.as_ref()?, refused?);
        key.refresh(now).await.ok().filter(|key| key != refused)
    }

    fn form(&self, name: &ProviderName) -> Form {
        let forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let known = forms.get(name).copied();
        known.unwrap_or_else(|| Form::first(name, &self.settings))
    }

    /// Returns a form as it is sent with a question: with the reasoning that this needs, unless an operator has set it.
    fn sent(&self, name: &ProviderName, form: Form, request: &ModelRequest) -> Form {
        match self.settings.effort.of(name) {
            Some(_) => form,
            None => form.with_reasoning(request.reasoning),
        }
    }

    /// Remembers a form, unless another call has learned meanwhile.
    fn learn(&self, name: &ProviderName, refused: Form, lesser: Form) {
        tracing::warn!(provider = %name, ?refused, ?lesser, "a provider refused the form of a question");
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let form = forms.entry(name.clone()).or_insert(refused);
        if *form == refused {
            *form = lesser;
        }
    }
}

/// Turns a status that is no success into a failure.
const fn succeeded(answer: &HttpAnswer) -> Result<(), Failure> {
    match answer.status {
        200..=299 => Ok(()),
        429 => Err(Failure::RateLimited(answer.wait)),
        // 424: a model of Bedrock failed; 425, 499: of proxies.
        status @ (408 | 409 | 424 | 425 | 499 | 500..) => Err(Failure::Server(status, answer.wait)),
        status => Err(Failure::Refused(status)),
    }
}

fn read(name: &ProviderName, request: &ModelRequest, body: &[u8]) -> Result<ModelReply, Failure> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let (text, counts) = match name {
        ProviderName::Bedrock(_) => bedrock::read(body, request.schema.as_ref())?,
        ProviderName::OpenAi(_) | ProviderName::Local => openai::read(body)?,
    };
    Ok(ModelReply { text, counts })
}
