//! The clients of health: one of its own for each table and cache, which no other request's failure skips.

use aws_sdk_dynamodb::Client;

use crate::clock::Clock;
use crate::config::Config;
use crate::elasticache::{RULE, Report};
use crate::refreshed::Refreshed;
use crate::table::{self, Table};
use crate::valkey::Valkey;

/// The clients of health.
pub struct Probes {
    /// The tables that requests need.
    pub tables: Vec<Table>,
    /// The shared caches, each once.
    pub caches: Vec<Valkey>,
    /// `ElastiCache`'s reports of the caches that have a name there.
    pub reports: Refreshed<Vec<Report>>,
}

impl Probes {
    pub(crate) fn new(client: &Client, caches: Vec<Valkey>, config: &Config, clock: &Clock) -> Self {
        let open = |schema| Table::new(client.clone(), schema, config, clock.clone());
        Self {
            tables: [table::QUOTA, table::IDENTITY, table::ANSWERS].map(open).into(),
            caches,
            reports: Refreshed::new(RULE),
        }
    }
}
