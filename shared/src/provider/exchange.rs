//! One question to one provider, as requests: in its wire form, with its key, at its address. A part of the form that a
//! provider refuses is given up and not sent to it again by this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lambda_http::http::Request;

use super::failure::Failure;
use super::form::Form;
use super::prompt::Prompt;
use super::refusal::{self, About};
use super::sign::{Scope, signed};
use super::usage::Counts;
use super::wire::{Answer, Wire, traced};
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
    wire: Wire,
    /// The key of `OpenAI`'s protocol, if calls carry one.
    key: Option<Held<Secret>>,
    /// The forms of providers that have refused a stricter one.
    forms: Mutex<HashMap<ProviderName, Form>>,
    /// Which of Bedrock's two names was reached last.
    bedrock_name: AtomicUsize,
}

/// An answer of a provider.
#[derive(Debug)]
pub struct Said {
    /// Its text; a refusal has none.
    pub text: Option<String>,
    /// Its counts of tokens.
    pub counts: Counts,
}

impl Exchange {
    /// As configured, with the key of `OpenAI`'s protocol.
    #[must_use]
    pub fn new(config: &Config, key: Option<Held<Secret>>) -> Self {
        Self {
            settings: config.providers.clone(),
            region: config.region.clone(),
            credentials: config.credentials.clone(),
            wire: Wire::default(),
            key,
            forms: Mutex::default(),
            bedrock_name: AtomicUsize::new(0),
        }
    }

    /// Returns the most tokens that `name` is told to write on these posts.
    #[must_use]
    pub fn most_output(&self, name: &ProviderName, prompt: &Prompt) -> u32 {
        let by_posts = || self.form(name).most_output(name, prompt.ids.len(), prompt.explain);
        self.settings.max_output.of(name).unwrap_or_else(by_posts)
    }

    /// Asks `name`, again as long as it refuses another part of the form.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(
        &self,
        name: &ProviderName,
        prompt: &Prompt,
        trace: Option<&str>,
        now: Timestamp,
    ) -> Result<Said, Failure> {
        let mut key = self.key(name, now).await?;
        let mut renewed = false;
        loop {
            let form = self.form(name);
            let answer = self.send(name, prompt, form, (key.as_deref(), trace), now).await?;
            let Err(failure) = judged(&answer) else {
                return said(name, &answer.body);
            };
            match refusal::about(answer.status, &answer.body) {
                About::Posts => return Err(Failure::Posts(answer.status)),
                About::Form(part) => match form.without(part) {
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
        prompt: &Prompt,
        form: Form,
        (key, trace): (Option<&Secret>, Option<&str>),
        now: Timestamp,
    ) -> Result<Answer, Failure> {
        let bound = (form, self.most_output(name, prompt));
        match name {
            ProviderName::Local => Err(Failure::Unasked("the embedded model is not asked over the network")),
            ProviderName::OpenAi(model) => {
                let request = openai::request(&self.settings.openai, key, model, prompt, bound)?;
                self.wire.send(traced(request, trace), now).await
            }
            ProviderName::Bedrock(model) => {
                let build = |endpoint: &str| {
                    let request = traced(bedrock::request(endpoint, model, prompt, bound)?, trace);
                    self.signed(request, now)
                };
                if let Some(endpoint) = &self.settings.bedrock_endpoint {
                    return self.wire.send(build(endpoint)?, now).await;
                }
                let names = bedrock::endpoints(&self.region);
                let last = self.bedrock_name.load(Ordering::Relaxed) % names.len();
                match self.wire.send(build(&names[last])?, now).await {
                    Err(Failure::Unreachable) => {
                        let other = (last + 1) % names.len();
                        let answer = self.wire.send(build(&names[other])?, now).await?;
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

    /// Reads the key anew; `None` unless it is another one than `refused`.
    async fn renewed(&self, refused: Option<&Arc<Secret>>, now: Timestamp) -> Option<Arc<Secret>> {
        let (key, refused) = (self.key.as_ref()?, refused?);
        key.refresh(now).await.ok().filter(|key| key != refused)
    }

    fn form(&self, name: &ProviderName) -> Form {
        let forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let known = forms.get(name).copied();
        known.unwrap_or_else(|| Form::first(name, &self.settings))
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
const fn judged(answer: &Answer) -> Result<(), Failure> {
    match answer.status {
        200..=299 => Ok(()),
        429 => Err(Failure::RateLimited(answer.wait)),
        // 424: a model of Bedrock failed; 425, 499: of proxies.
        status @ (408 | 409 | 424 | 425 | 499 | 500..) => Err(Failure::Server(status, answer.wait)),
        status => Err(Failure::Refused(status)),
    }
}

fn said(name: &ProviderName, body: &[u8]) -> Result<Said, Failure> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let (text, counts) = match name {
        ProviderName::Bedrock(_) => bedrock::read(body)?,
        ProviderName::OpenAi(_) | ProviderName::Local => openai::read(body)?,
    };
    Ok(Said { text, counts })
}
