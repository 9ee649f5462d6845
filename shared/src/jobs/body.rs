//! The body of a job, as a client writes it. Pure.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::capture::body::DetectJob;
use super::{Kind, Priority};
use crate::classify::body::{self, BatchBounds, BodyPost};
use crate::error::Violation;
use crate::object::{Object, present};
use crate::rank::body::{AskedRanking, BodyItem};
use crate::rank::experiment::Design;

/// The bounds of the posts of a job.
pub const POSTS: BatchBounds = BatchBounds {
    most_posts: 1_000,
    longest_id: 64,
    ascii_ids: true,
};

/// The part of every body: it says how to read the rest.
#[derive(Debug, Deserialize)]
pub struct JobHead {
    /// The kind of work.
    pub r#type: Kind,
}

/// Posts to be classified.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifyJob<'a> {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// How soon.
    #[serde(default)]
    pub priority: Priority,
    /// The endpoint that the end of the job is announced to.
    #[serde(borrow, default, deserialize_with = "present")]
    pub webhook: Option<Cow<'a, str>>,
    /// The user's words.
    #[serde(borrow)]
    pub preference: Cow<'a, str>,
    /// The posts.
    #[serde(borrow)]
    pub posts: Vec<Object<BodyPost<'a>>>,
}

/// Items to be ranked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankJob<'a> {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// How soon.
    #[serde(default)]
    pub priority: Priority,
    /// The endpoint that the end of the job is announced to.
    #[serde(borrow, default, deserialize_with = "present")]
    pub webhook: Option<Cow<'a, str>>,
    #[serde(borrow)]
    query: Cow<'a, str>,
    #[serde(borrow)]
    items: Vec<Object<BodyItem<'a>>>,
    #[serde(borrow, default)]
    criteria: Cow<'a, str>,
    #[serde(default = "one")]
    samples: usize,
    /// True if to say why.
    #[serde(default)]
    pub explain: bool,
}

const fn one() -> usize {
    1
}

/// The work of a job.
#[derive(Debug)]
pub enum JobBody<'a> {
    /// Posts to be classified.
    Classify(ClassifyJob<'a>),
    /// Items to be ranked.
    Rank(RankJob<'a>),
    /// Items to be ranked in several categories.
    Experiment(Design),
    /// An image to be judged.
    Detect(DetectJob<'a>),
}

impl<'a> JobBody<'a> {
    /// Reads the body of a job of a known kind with `parse`, which may say where a fault is.
    ///
    /// # Errors
    /// As `parse`.
    pub fn read<P: BodyParser>(kind: Kind, parser: &P, text: &'a [u8]) -> Result<Self, P::Fault> {
        match kind {
            Kind::Classify => parser.parse(text).map(Self::Classify),
            Kind::Rank => parser.parse(text).map(Self::Rank),
            Kind::Experiment => parser.parse(text).map(Self::Experiment),
            Kind::Detect => parser.parse(text).map(Self::Detect),
        }
    }

    /// Returns every bound of the contract that it breaks.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Classify(job) => body::violations(&job.preference, &job.posts, &POSTS),
            Self::Rank(job) => job.asked().violations(),
            Self::Experiment(design) => design.violations(),
            Self::Detect(job) => job.violations(),
        }
    }

    /// Returns the units that it is charged.
    #[must_use]
    pub fn units(&self) -> u16 {
        let units = match self {
            Self::Classify(job) => job.posts.len(),
            Self::Rank(job) => job.samples,
            Self::Experiment(design) => design.rankings(),
            Self::Detect(_) => 1,
        };
        // Within the bounds far less.
        u16::try_from(units).unwrap_or(u16::MAX)
    }

    /// Returns how soon it is wanted.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Classify(job) => job.priority,
            Self::Rank(job) => job.priority,
            Self::Experiment(_) => Priority::Normal,
            Self::Detect(job) => job.priority,
        }
    }

    /// Returns the endpoint that the end of the job is announced to.
    #[must_use]
    pub fn webhook(&self) -> Option<&str> {
        match self {
            Self::Classify(job) => job.webhook.as_deref(),
            Self::Rank(job) => job.webhook.as_deref(),
            Self::Experiment(_) => None,
            Self::Detect(job) => job.webhook.as_deref(),
        }
    }
}

impl RankJob<'_> {
    /// Returns the parts that ask for a ranking.
    #[must_use]
    pub fn asked(&self) -> AskedRanking<'_> {
        AskedRanking {
            query: &self.query,
            criteria: &self.criteria,
            items: &self.items,
            samples: self.samples,
        }
    }
}

/// Reads JSON: strictly and with the place of a fault for a client, or as it was written before.
pub trait BodyParser {
    /// The fault of a text.
    type Fault;

    /// Reads `text` as a `T`.
    ///
    /// # Errors
    /// When it is none.
    fn parse<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> Result<T, Self::Fault>;
}
