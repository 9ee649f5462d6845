//! One question to one provider, as requests: in its protocol, with its key, at its address. A feature of the form that a
//! provider refuses is given up and not sent to it again by this process.

pub mod dialogue;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lambda_http::http::Request;

use super::endpoints::Endpoints;
use super::failure::Failure;
use super::form::Form;
use super::refusal::{self, About};
use super::request::{ModelReply, ModelRequest};
use super::sign::{Scope, signed};
use super::transport::{HttpAnswer, OpenedBody, Transport, traced};
use super::{bedrock, moderation, openai, rekognition};
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
    bedrock: Endpoints,
    rekognition: Endpoints,
}

/// The key of a question, and whether it was read again.
struct KeyInUse {
    key: Option<Arc<Secret>>,
    renewed: bool,
}

impl Exchange {
    /// As configured, with the key of `OpenAI`'s protocol.
    #[must_use]
    pub fn new(config: &Config, key: Option<Held<Secret>>) -> Self {
        let (settings, region) = (&config.providers, &config.region);
        Self {
            settings: settings.clone(),
            region: region.clone(),
            credentials: config.credentials.clone(),
            transport: Transport::default(),
            key,
            forms: Mutex::default(),
            bedrock: Endpoints::of("bedrock-runtime", settings.bedrock_endpoint.as_deref(), region),
            rekognition: Endpoints::of("rekognition", settings.rekognition_endpoint.as_deref(), region),
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
        let mut key = KeyInUse {
            key: self.key(name, now).await?,
            renewed: false,
        };
        loop {
            let form = self.form(name);
            let answer = self.send(name, request, form, (key.key.as_deref(), trace), now).await?;
            if (200..=299).contains(&answer.status) {
                return read(name, request, &answer.body);
            }
            let has_image = request.has_image();
            self.learn_from(name, (form, &answer), has_image, &mut key, now).await?;
        }
    }

    /// Learns from the refusal of a form.
    ///
    /// # Errors
    /// If asking again is of no use.
    async fn learn_from(
        &self,
        name: &ProviderName,
        (form, answer): (Form, &HttpAnswer),
        has_image: bool,
        key: &mut KeyInUse,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let (failure, about) = refused(name, answer);
        match about {
            About::Content if has_image => return Err(Failure::Image(answer.status)),
            About::Content => return Err(Failure::Content(answer.status)),
            About::Form(feature) => match form.without(feature) {
                Some(lesser) => self.learn(name, form, lesser),
                None => return Err(failure),
            },
            // The key may have been replaced since it was read.
            About::Other if answer.status == 401 && !key.renewed => match self.renewed(key.key.as_ref(), now).await {
                Some(other) => {
                    *key = KeyInUse {
                        key: Some(other),
                        renewed: true,
                    };
                }
                None => return Err(failure),
            },
            About::Other => return Err(failure),
        }
        Ok(())
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
            ProviderName::Moderation(model) => {
                let request = moderation::request(&self.settings.openai, key, model, request)?;
                self.transport.send(traced(request, trace), now).await
            }
            ProviderName::Bedrock(model) => {
                let asking = |endpoint: &str| Ok(traced(bedrock::request(endpoint, model, request, bound)?, trace));
                self.open_at_aws(&self.bedrock, "bedrock", asking, now).await?.whole()
            }
            ProviderName::Rekognition => {
                let asking = |endpoint: &str| Ok(traced(rekognition::request(endpoint, request)?, trace));
                let opened = self.open_at_aws(&self.rekognition, "rekognition", asking, now);
                opened.await?.whole()
            }
        }
    }

    /// Sends what `asking` makes for the first of the addresses that is reached, signed for a service.
    async fn open_at_aws(
        &self,
        endpoints: &Endpoints,
        service: &'static str,
        asking: impl Fn(&str) -> Result<Request<String>, Failure>,
        now: Timestamp,
    ) -> Result<OpenedBody, Failure> {
        let scope = Scope {
            credentials: self.credentials.as_ref(),
            region: &self.region,
            service,
        };
        for (place, endpoint) in endpoints.in_turn() {
            match self.transport.open(signed(asking(endpoint)?, scope, now)?, now).await {
                Err(Failure::Unreachable) => {}
                Err(failure) => return Err(failure),
                Ok(answer) => {
                    endpoints.reached(place);
                    return Ok(answer);
                }
            }
        }
        Err(Failure::Unreachable)
    }

    async fn key(&self, name: &ProviderName, now: Timestamp) -> Result<Option<Arc<Secret>>, Failure> {
        let (ProviderName::OpenAi(_) | ProviderName::Moderation(_), Some(key)) = (name, &self.key) else {
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

/// Returns the failure of an answer without success, and its subject.
fn refused(name: &ProviderName, answer: &HttpAnswer) -> (Failure, About) {
    let by_status = match answer.status {
        429 => Failure::RateLimited(answer.wait),
        // 424: a model of Bedrock failed; 425, 499: of proxies.
        status @ (408 | 409 | 424 | 425 | 499 | 500..) => Failure::Server(status, answer.wait),
        status => Failure::Refused(status),
    };
    match name {
        ProviderName::Rekognition => (rekognition::failure(answer).unwrap_or(by_status), About::Other),
        name => match refusal::about(answer.status, &answer.body) {
            // A moderation has no form.
            About::Form(_) if name.is_moderator() => (by_status, About::Other),
            about => (by_status, about),
        },
    }
}

fn read(name: &ProviderName, request: &ModelRequest, body: &[u8]) -> Result<ModelReply, Failure> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    match name {
        ProviderName::Bedrock(_) => bedrock::read(body, request.schema.as_ref()),
        ProviderName::Moderation(_) => moderation::read(body),
        ProviderName::Rekognition => rekognition::read(body),
        ProviderName::OpenAi(_) | ProviderName::Local => openai::read(body),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::super::request::Part;
    use super::*;

    /// A place where Bedrock answers, with this status, and counts how often it was asked.
    struct Place {
        address: SocketAddr,
        asked: Arc<AtomicUsize>,
        server: JoinHandle<()>,
    }

    impl Place {
        async fn at(address: SocketAddr, status: u16) -> Self {
            let listener = TcpListener::bind(address).await.unwrap();
            let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
            let counted = Arc::clone(&asked);
            let server = tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let mut request = Vec::new();
                    while !request.ends_with(b"}") {
                        connection.read_buf(&mut request).await.unwrap();
                    }
                    let said = json!({"output": {"message": {"content": [{"text": "said"}]}}}).to_string();
                    let length = said.len();
                    let answer =
                        format!("HTTP/1.1 {status} \r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}");
                    connection.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            Self { address, asked, server }
        }

        /// At a port of its own.
        async fn new(status: u16) -> Self {
            Self::at(([127, 0, 0, 1], 0).into(), status).await
        }

        /// Stops; returns how often it was asked.
        async fn stop(self) -> usize {
            self.server.abort();
            let _ = self.server.await;
            self.asked.load(Ordering::Relaxed)
        }
    }

    /// Returns an exchange that asks Bedrock at these two names.
    fn exchange(names: [SocketAddr; 2]) -> Exchange {
        let credentials = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")];
        let known = |name: &str| credentials.iter().find(|(of, _)| *of == name);
        let config = Config::read(|name| known(name).map(|(_, value)| (*value).to_owned())).unwrap();
        let mut exchange = Exchange::new(&config, None);
        exchange.bedrock = Endpoints::at(&names.map(|name| format!("http://{name}")));
        exchange
    }

    async fn ask(exchange: &Exchange) -> Result<Option<String>, Failure> {
        let name = ProviderName::parse("bedrock:model").unwrap();
        let request = ModelRequest::sample(vec![Part::Text("bitcoin".into())]);
        let reply = exchange.ask(&name, &request, None, Timestamp::from_seconds(0)).await?;
        Ok(reply.text)
    }

    #[tokio::test]
    async fn a_name_that_is_not_reached_gives_its_turn_to_the_other_which_is_the_first_from_then_on() {
        let (closed, open) = (Place::new(200).await, Place::new(200).await);
        let names = [closed.address, open.address];
        closed.stop().await;
        let exchange = exchange(names);
        let said = Ok(Some("said".to_owned()));
        assert_eq!(ask(&exchange).await, said);
        let opened = Place::at(names[0], 200).await;
        assert_eq!(ask(&exchange).await, said);
        assert_eq!(open.stop().await, 2, "the one that was reached is asked first");
        assert_eq!(
            ask(&exchange).await,
            said,
            "and the other where it is not reached any more"
        );
        assert_eq!(opened.stop().await, 1);
        assert_eq!(ask(&exchange).await, Err(Failure::Unreachable));
    }

    #[tokio::test]
    async fn a_name_that_answers_with_a_refusal_is_not_one_that_is_not_reached() {
        let (refusing, other) = (Place::new(403).await, Place::new(200).await);
        let exchange = exchange([refusing.address, other.address]);
        assert_eq!(ask(&exchange).await, Err(Failure::Refused(403)));
        assert_eq!((refusing.stop().await, other.stop().await), (1, 0));
    }
}
