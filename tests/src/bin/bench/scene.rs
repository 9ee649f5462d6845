//! A server under load whose tables and cache are processes of their own, to be frozen and killed.

use std::time::Duration;

use serde_json::Value;
use tests::client::Client;
use tests::program::LocalServer;
use tests::redis::Redis;

use crate::deployment::{SETTINGS, batch_with_new};
use crate::load::{Answered, Load, Pace, post};
use crate::stats::count;

/// Users who ask, in turn.
const USERS: usize = 16;

/// A server with its tables and its cache in processes of their own, and users of it.
pub(crate) struct Scene {
    pub(crate) server: LocalServer,
    pub(crate) tables: LocalServer,
    pub(crate) redis: Redis,
    tokens: Vec<String>,
    serial: usize,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let redis = Redis::start();
        let tables = LocalServer::start(&["--table-port", "0"], &SETTINGS).await;
        let (cache, endpoint) = (redis.url(), tables.tables());
        let settings = [
            &SETTINGS[..],
            &[
                ("CLEARVIEW_CACHE_URL", &cache),
                ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
            ],
            &[("AWS_ACCESS_KEY_ID", "bench"), ("AWS_SECRET_ACCESS_KEY", "bench")],
            // This one is the fleet: what it may admit by itself is not to be divided.
            &[("CLEARVIEW_FLEET_SIZE", "1")],
        ]
        .concat();
        let server = LocalServer::start(&["--no-console"], &settings).await;
        let mut scene = Self {
            server,
            tables,
            redis,
            tokens: Vec::new(),
            serial: 0,
        };
        scene.renew_tokens().await;
        scene
    }

    /// Gives each user a new access token: one is good for a quarter of an hour.
    pub(crate) async fn renew_tokens(&mut self) {
        let client = Client::to(self.server.address);
        let mut tokens = Vec::with_capacity(USERS);
        for n in 0..USERS {
            tokens.push(client.register(&format!("scene-{n}")).await.access);
        }
        self.tokens = tokens;
    }

    /// For some seconds, `rate` requests a second of five posts, every other one with a post that is new. Each is answered with
    /// 200, or the run ends.
    pub(crate) fn ask(&mut self, rate: usize, seconds: usize) -> Answered {
        self.ask_through(rate, seconds).all_answered()
    }

    /// The same, but that some may be refused for reduced capacity.
    pub(crate) fn ask_through(&mut self, rate: usize, seconds: usize) -> Answered {
        self.ask_at(Pace::Open(count(rate)), rate * seconds, seconds)
    }

    /// How many requests in a second are answered to 16 connections that ask as fast as they can. None is sent twice: its new
    /// post would be new no more.
    pub(crate) fn most_per_second(&mut self, seconds: usize) -> f64 {
        self.ask_at(Pace::Closed, 12_000 * seconds, seconds)
            .all_answered()
            .per_second()
    }

    /// Fills the tables and the caches for some seconds: with verdicts on new posts alone, 50 in a request.
    pub(crate) fn fill(&mut self, seconds: usize) {
        for _ in 0..seconds {
            let requests: Vec<_> = (0..500).map(|n| self.request(n, 50, 50)).collect();
            self.load(Pace::Closed, &requests, 1).all_answered();
        }
    }

    fn ask_at(&mut self, pace: Pace, requests: usize, seconds: usize) -> Answered {
        let requests: Vec<_> = (0..requests).map(|n| self.request(n, 5, n % 2)).collect();
        self.load(pace, &requests, seconds)
    }

    fn load(&self, pace: Pace, requests: &[Vec<u8>], seconds: usize) -> Answered {
        let load = Load {
            address: self.server.address,
            requests,
            connections: if matches!(pace, Pace::Closed) { 16 } else { 64 },
            pace,
            span: Duration::from_secs(seconds as u64),
        };
        tokio::task::block_in_place(|| load.run_through())
    }

    fn request(&mut self, n: usize, posts: usize, new: usize) -> Vec<u8> {
        self.serial += 1;
        let body: Value = batch_with_new(posts, new, &format!("{} ", self.serial));
        post("/v1/classify", &self.tokens[n % self.tokens.len()], &body)
    }
}
