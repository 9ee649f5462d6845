//! The server: connections, requests, and the end of both.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use shared::app::App;
use shared::clock::Clock;
use shared::config::Config;
use shared::error::Error;
use shared::http::{AnswerBody, LARGEST_BODY};
use shared::table;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::capacity::Capacity;
use crate::console::{Console, Faults};
use crate::encoding::{self, LARGEST_REQUEST};
use crate::event::{Caller, ServerBody};
use crate::gateway::{Gateway, Throttle};
use crate::objects::Objects;
use crate::options::Options;
use crate::queue::station::Station;
use crate::state::{self, Embedded, StartError};
use crate::upstream::Upstream;

/// The part of a larger one that is read and discarded, so that a client which sends before it listens still gets its
/// answer.
const MOST_DISCARDED: u64 = 256 * 1024 * 1024;

/// How long a client may take for its headers, and again for its body.
const SLOWEST_SENDER: Duration = Duration::from_secs(30);

/// Refused connections that are answered at a time. Further ones are not accepted until one of them is gone.
const TURNED_AWAY: usize = 60;

/// How long such a connection may take for its headers.
const SLOWEST_TURNED_AWAY: Duration = Duration::from_secs(1);

/// The largest part of a request or an answer that is held for a connection; API Gateway takes 10 KB of headers.
const LARGEST_BUFFER: usize = 64 * 1024;

/// How long requests under way may take at the end.
const LONGEST_GOODBYE: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its tables are: its own, or those of a service elsewhere.
    pub table_endpoint: String,
    embedded: Option<Embedded>,
    objects: Option<Objects>,
    _upstream: Option<Arc<Upstream>>,
    console: Option<Arc<Console>>,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
    gateway: Arc<Gateway>,
    station: Station,
}

impl Server {
    /// Starts a server; it answers once this returns.
    ///
    /// # Errors
    /// The part that cannot be used, in words: a port, a directory, a key file, a table service.
    pub async fn start(options: &Options, mut config: Config, clock: Clock) -> Result<Self, StartError> {
        let mut faults = options.has_console().then(Faults::new);
        let upstream = start_provider(options, &mut config, faults.as_mut()).await?;
        state::find_caches(&mut config).await?;
        if let Some(faults) = &mut faults {
            faults.stand_before_caches(&mut config).await?;
        }
        let embedded = start_tables(options, &config, faults.as_ref()).await?;
        let objects = start_objects(options, &mut config, clock.clone()).await?;
        if config.token_keys_secret.is_none() {
            config.token_keys = Some(state::token_keys(options, &config)?);
        }
        let (client, table_endpoint) = match &embedded {
            Some(embedded) => (embedded.client(&config), format!("http://{}", embedded.address)),
            None => (
                table::client(&config),
                config.table_endpoint.clone().unwrap_or_default(),
            ),
        };
        make_tables(&client, &config.table_prefix, embedded.is_some()).await?;
        let mut station = Station::open(options, &mut config, clock.clone()).await?;
        let mut app = App::new(config, clock, &client).map_err(|error| StartError(error.to_string()))?;
        station.connect(&mut app);
        if let Some(faults) = &mut faults {
            faults.hold_queues(station.own());
        }
        if let Some(embedded) = &embedded {
            app.probe_through(&embedded.probing_client(&app.config));
        }
        app.connect().await;

        let wanted = SocketAddr::new(options.host, options.port);
        let unusable = |error| StartError(format!("--port {}: cannot listen on {wanted}: {error}", options.port));
        let listener = TcpListener::bind(wanted).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let gateway = Arc::new(Gateway::new(app, options.throttle.then(Throttle::default)));
        station.start(&gateway.app());
        let capacity = Capacity::new(usize::from(options.requests), gateway.app().config.request_timeout);
        let console = faults.map(|faults| Arc::new(Console::open(&gateway, &capacity, faults)));
        let door = Door {
            gateway: Arc::clone(&gateway),
            console: console.clone(),
            capacity,
            port: address.port(),
        };
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, door, usize::from(options.connections), stopped));
        Ok(Self {
            address,
            table_endpoint,
            embedded,
            objects,
            _upstream: upstream,
            console,
            stop,
            accepting,
            gateway,
            station,
        })
    }

    /// Returns the long-lived things behind it.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        self.gateway.app()
    }

    /// Returns its queues.
    #[must_use]
    pub const fn station(&self) -> &Station {
        &self.station
    }

    /// Answers what has been asked, then closes everything.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        if let Some(console) = &self.console {
            console.close();
        }
        let _ = self.accepting.await;
        self.station.stop().await;
        self.gateway.settle().await;
        if let Some(objects) = self.objects {
            objects.stop().await;
        }
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// The way in: what each connection shares with all others.
#[derive(Clone)]
struct Door {
    gateway: Arc<Gateway>,
    console: Option<Arc<Console>>,
    capacity: Arc<Capacity>,
    port: u16,
}

/// Starts the scripted provider, if there is a script.
async fn start_provider(
    options: &Options,
    config: &mut Config,
    faults: Option<&mut Faults>,
) -> Result<Option<Arc<Upstream>>, StartError> {
    let Some(file) = &options.script else {
        return Ok(None);
    };
    let (upstream, script) = state::use_script(config, file).await?;
    if let Some(faults) = faults {
        faults.hold_provider(&upstream, script);
    }
    Ok(Some(upstream))
}

/// Starts an object store for uploads, unless the settings name a bucket.
async fn start_objects(options: &Options, config: &mut Config, clock: Clock) -> Result<Option<Objects>, StartError> {
    if config.objects.bucket.is_some() {
        return Ok(None);
    }
    let (directory, address) = (options.data_dir.as_deref(), options.object_address());
    Objects::start(directory, address, config, clock).await.map(Some)
}

/// Starts the embedded tables, unless those of a service are used.
async fn start_tables(
    options: &Options,
    config: &Config,
    faults: Option<&Faults>,
) -> Result<Option<Embedded>, StartError> {
    if config.table_endpoint.is_some() {
        return Ok(None);
    }
    let mut embedded = Embedded::start(options.data_dir.as_deref(), options.table_address()).await?;
    if let Some(faults) = faults {
        faults.hold_tables(&mut embedded);
    }
    Ok(Some(embedded))
}

/// Makes the tables that are missing. Those of a service may come later.
async fn make_tables(client: &Client, prefix: &str, own: bool) -> Result<(), StartError> {
    match state::create_missing_tables(client, prefix).await {
        Err(error) if !own => {
            tracing::warn!(%error, "the tables could not be made; trying again every second");
            tokio::spawn(state::keep_creating_tables(client.clone(), prefix.to_owned()));
            Ok(())
        }
        made => made,
    }
}

async fn accept(listener: TcpListener, door: Door, connections: usize, stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections + TURNED_AWAY));
    let follower = Arc::clone(&door.capacity).follow_load();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = next_connection(&listener, &places) => accepted,
            _ = &mut stopped => break,
        };
        let Ok((place, stream, address)) = accepted else {
            // Out of file descriptors, most likely: some will be free again in a moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are small, and their sender waits for nothing more to send.
        let _ = stream.set_nodelay(true);
        let port = door.port;
        let (door, caller) = (door.clone(), Caller { address, port });
        let served = places.available_permits() >= TURNED_AWAY;
        let service = service_fn(move |request| answer(door.clone(), caller, served, request));
        let slowest = if served { SLOWEST_SENDER } else { SLOWEST_TURNED_AWAY };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(slowest)
            .max_buf_size(LARGEST_BUFFER)
            .keep_alive(served)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // An early end is the client's doing.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LONGEST_GOODBYE, graceful.shutdown()).await;
    follower.abort();
}

/// Accepts a connection as soon as there is a place for it.
async fn next_connection(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((place, stream, address))
}

async fn answer(
    door: Door,
    caller: Caller,
    served: bool,
    request: Request<Incoming>,
) -> Result<Response<ServerBody>, Infallible> {
    let (parts, body) = request.into_parts();
    if let Some(console) = &door.console
        && served
        && Console::has(parts.uri.path())
    {
        return Ok(console.answer(&parts, caller.address, body).await);
    }
    let answer = if served {
        work_on(&door, caller, &parts, body).await
    } else {
        Err(door.gateway.shed())
    };
    let response = answer.unwrap_or_else(|error| {
        let mut response = door.gateway.refuse(&error, &parts.headers);
        if matches!(error, Error::PayloadTooLarge { .. } | Error::Invalid(_)) {
            // The rest of the body may still be on its way.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(AnswerBody::whole)
    });
    Ok(response.map(BodyExt::boxed_unsync))
}

async fn work_on(door: &Door, caller: Caller, parts: &Parts, body: Incoming) -> Result<Response<AnswerBody>, Error> {
    let announced = announced_length(parts, &body);
    let slot = door
        .capacity
        .enter(announced)
        .await
        .ok_or_else(|| door.gateway.shed())?;
    match read(parts, body, announced).await {
        Read::Whole(body) => {
            if slot.waited {
                // If its client has left meanwhile, the connection finds out now, and this goes no further.
                tokio::task::yield_now().await;
            }
            let body = encoding::decode(&parts.headers, body)?;
            door.gateway.answer(parts, &body, caller, slot).await
        }
        Read::TooLarge => Err(Error::PayloadTooLarge {
            limit_bytes: LARGEST_BODY,
        }),
        Read::Broken => Err(Error::invalid("", "the body did not arrive whole")),
    }
}

/// The length of a request's body as it announces it; the largest for one that comes in chunks.
fn announced_length(parts: &Parts, body: &Incoming) -> u64 {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let unknown = if body.is_end_stream() { 0 } else { LARGEST_REQUEST };
    // A few compressed bytes can stand for the largest body.
    let packed = parts.headers.contains_key(header::CONTENT_ENCODING);
    length
        .filter(|length| !packed || *length == 0 || *length > LARGEST_REQUEST)
        .unwrap_or(unknown)
}

enum Read {
    Whole(Bytes),
    TooLarge,
    Broken,
}

async fn read(parts: &Parts, body: Incoming, announced: u64) -> Read {
    if announced > LARGEST_REQUEST && parts.headers.contains_key(header::EXPECT) {
        // The client asks before it sends: it need not send.
        return Read::TooLarge;
    }
    tokio::time::timeout(SLOWEST_SENDER, collect(body))
        .await
        .unwrap_or(Read::Broken)
}

async fn collect(mut body: Incoming) -> Read {
    let mut whole = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken };
        let Some(data) = frame.data_ref() else { continue };
        length += data.len() as u64;
        if length <= LARGEST_REQUEST {
            whole.extend_from_slice(data);
        } else {
            whole = Vec::new();
            if length > MOST_DISCARDED {
                break;
            }
        }
    }
    if length > LARGEST_REQUEST {
        Read::TooLarge
    } else {
        Read::Whole(whole.into())
    }
}
