//! Lets requests of one process that ask under the same preference share a call. A request that comes while a call is under way
//! waits until that ends, 100 ms at most, and takes along all that come meanwhile. Alone, no request waits.
//!
//! It matters where a process has several requests at a time: on the local server and in containers, not on Lambda.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::prompt::MOST_POSTS;
use super::question::{Judged, Post};
use crate::plan::Tier;

/// The longest wait for others.
pub const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The properties that questions must have in common to share a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// The user's words.
    pub preference: String,
    /// Reasons are wanted.
    pub explain: bool,
    /// The tier: it decides who is asked, and who pays.
    pub tier: Tier,
}

/// All groups that have calls under way.
#[derive(Debug, Clone, Default)]
pub struct BatchWindow(Arc<Mutex<HashMap<Group, WaitingMember>>>);

#[derive(Debug, Default)]
struct WaitingMember {
    under_way: usize,
    open: Option<OpenBatch>,
}

/// A batch whose call has not begun.
#[derive(Debug)]
struct OpenBatch {
    posts: Vec<Post>,
    answer: watch::Receiver<Option<Arc<Judged>>>,
    go: Arc<Notify>,
}

/// The next step of a request with a question.
#[derive(Debug)]
pub enum BatchPlace {
    /// Ask at once.
    Go(Vec<Post>, UnderWay),
    /// Wait for others, then ask for all.
    Gather(Gathering),
    /// Wait for the answer that another request will get.
    Join(Member),
}

/// A call under way: others wait until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    window: BatchWindow,
    group: Group,
}

/// The duty to ask for all who come.
#[derive(Debug)]
pub struct Gathering {
    window: BatchWindow,
    group: Group,
    go: Arc<Notify>,
    answer: watch::Sender<Option<Arc<Judged>>>,
}

/// A place in another request's batch.
#[derive(Debug)]
pub struct Member {
    answer: watch::Receiver<Option<Arc<Judged>>>,
    places: Range<usize>,
}

impl BatchWindow {
    /// Finds a place for a question.
    #[must_use]
    pub fn place(&self, group: Group, posts: Vec<Post>) -> BatchPlace {
        let mut groups = self.groups();
        let waiting = groups.entry(group.clone()).or_default();
        if waiting.under_way == 0 && waiting.open.is_none() {
            waiting.under_way = 1;
            let window = self.clone();
            return BatchPlace::Go(posts, UnderWay { window, group });
        }
        match &mut waiting.open {
            Some(open) if open.posts.len() + posts.len() <= MOST_POSTS => {
                let from = open.posts.len();
                open.posts.extend(posts);
                if open.posts.len() == MOST_POSTS {
                    open.go.notify_one();
                }
                BatchPlace::Join(Member {
                    answer: open.answer.clone(),
                    places: from..open.posts.len(),
                })
            }
            // It is as good as full: this one goes by itself.
            Some(open) => {
                open.go.notify_one();
                waiting.under_way += 1;
                let window = self.clone();
                BatchPlace::Go(posts, UnderWay { window, group })
            }
            None => {
                let (answer, receiver) = watch::channel(None);
                let go = Arc::new(Notify::new());
                waiting.open = Some(OpenBatch {
                    posts,
                    answer: receiver,
                    go: Arc::clone(&go),
                });
                let window = self.clone();
                BatchPlace::Gather(Gathering {
                    window,
                    group,
                    go,
                    answer,
                })
            }
        }
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<Group, WaitingMember>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    /// Waits until the call before ends, the batch is full, or the time is over. Returns the posts of all that came.
    pub async fn wait(&self, limit: Duration) -> (Vec<Post>, UnderWay) {
        let _ = tokio::time::timeout(limit.min(LONGEST_WAIT), self.go.notified()).await;
        let mut groups = self.window.groups();
        let waiting = groups.entry(self.group.clone()).or_default();
        waiting.under_way += 1;
        let posts = waiting.open.take().map(|open| open.posts).unwrap_or_default();
        let trip = UnderWay {
            window: self.window.clone(),
            group: self.group.clone(),
        };
        (posts, trip)
    }

    /// Gives all that came their answer.
    pub fn answer(self, judged: &Arc<Judged>) {
        self.answer.send_replace(Some(Arc::clone(judged)));
    }
}

impl Drop for Gathering {
    /// A request that gives up before the call begins lets the others go by themselves.
    fn drop(&mut self) {
        let mut groups = self.window.groups();
        if let Some(waiting) = groups.get_mut(&self.group) {
            if waiting
                .open
                .as_ref()
                .is_some_and(|open| Arc::ptr_eq(&open.go, &self.go))
            {
                waiting.open = None;
            }
            if waiting.under_way == 0 && waiting.open.is_none() {
                groups.remove(&self.group);
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut groups = self.window.groups();
        if let Some(waiting) = groups.get_mut(&self.group) {
            waiting.under_way = waiting.under_way.saturating_sub(1);
            match &waiting.open {
                Some(open) => open.go.notify_one(),
                None if waiting.under_way == 0 => {
                    groups.remove(&self.group);
                }
                None => {}
            }
        }
    }
}

impl Member {
    /// Returns this question's part of the answer; `None` if the request that was to get it gave up.
    pub async fn wait(mut self) -> Option<Judged> {
        let judged = self.answer.wait_for(Option::is_some).await.ok()?.clone()?;
        Some(judged.part(self.places))
    }
}
