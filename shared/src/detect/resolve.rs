//! One image of a capture: reused, remembered, or charged and judged.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use vision::looks::Depth;

use super::cadence::{Pace, Safety};
use super::counts::CaptureCounts;
use super::frames::Frame;
use super::judge::{self, Opinion, Subject};
use super::judgement::Judgement;
use super::prepare::{self, NewSight, Sight, View};
use super::version;
use super::{Capture, Detection, Figures, LIFE, Payment, Source, WORKLOAD};
use crate::admission;
use crate::answers::{Answer, Coalesced, Found, Given, Key, Open, Outcome, Questions, Reader, Reply, Scope};
use crate::app::App;
use crate::clock::{Deadline, Stopwatch};
use crate::digest::sha256_base64url;
use crate::error::Error;
use crate::identity::Principal;
use crate::models::class::ModelClass;
use crate::plan::Usage;
use crate::quota::idempotency::IdempotencyKey;
use crate::quota::store::{Certainty, Charged};
use crate::telemetry::Degraded;

/// The images of a capture on their way.
pub(super) struct Resolving<'a> {
    pub(super) app: &'a App,
    pub(super) principal: &'a Principal,
    pub(super) capture: &'a Capture<'a>,
    pub(super) depth: Depth,
    /// The judged frame that may stand for an image.
    pub(super) frame: Option<Frame>,
    pub(super) reader: &'a Reader,
    pub(super) pace: Option<Pace<'a>>,
    pub(super) deadline: Deadline,
    /// The images that statistics have counted.
    pub(super) counts: Mutex<CaptureCounts>,
}

/// One image at the end of its way.
pub(super) struct ResolvedImage {
    pub(super) detection: Result<Detection, Error>,
    pub(super) trail: Trail,
}

/// The costs of one image on its way.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) figures: Figures,
    pub(super) usage: Option<Usage>,
    pub(super) degraded: Vec<Degraded>,
}

/// Tells a judgement and its author.
type Teller = oneshot::Sender<(Judgement, Arc<str>)>;

/// The judging of one image.
struct Judging<'a> {
    place: usize,
    sight: &'a NewSight,
    opinion: Mutex<Opinion>,
    /// Tells the judgement as soon as it is there, so that the device's memory is written beside the caches.
    tell: Mutex<Option<Teller>>,
}

impl Resolving<'_> {
    pub(super) async fn resolve(&self, place: usize) -> ResolvedImage {
        let mut trail = Trail::default();
        trail.figures.images = 1;
        let decoding = Stopwatch::start();
        let sight = self.look(place).await;
        trail.figures.decoding = decoding.elapsed();
        let detection = match sight {
            Err(error) => Err(error),
            Ok(Sight::Same(frame)) => {
                trail.figures.similar = 1;
                Ok(self.detection(place, Some(frame.judgement), Source::Similar))
            }
            Ok(Sight::New(sight)) => self.judge(place, &sight, &mut trail).await,
        };
        ResolvedImage { detection, trail }
    }

    /// Decodes an image where that keeps no request waiting. A decoder's panic is this image's fault alone.
    async fn look(&self, place: usize) -> Result<Sight, Error> {
        let view = View {
            depth: self.depth,
            frame: self.frame.clone(),
            shrinks: version::leaves_the_process(&self.app.config.providers, &self.principal.tier),
            now: self.capture.now,
        };
        let bytes = Arc::clone(&self.capture.images[place].bytes);
        match self.app.processor.run(move || prepare::prepare(&bytes, view)).await {
            Ok(Ok(sight)) => Ok(sight),
            Ok(Err(reason)) => Err(Error::UnreadableImage(reason.to_string())),
            Err(crash) => {
                tracing::error!(%crash, "an image ended its decoder");
                Err(Error::UnreadableImage("is damaged".to_owned()))
            }
        }
    }

    async fn judge(&self, place: usize, sight: &NewSight, trail: &mut Trail) -> Result<Detection, Error> {
        let parts = sight.parts.each_ref().map(String::as_str);
        let keys = [Key::of(WORKLOAD, Scope::Everybody, &parts)];
        let questions = Questions {
            workload: WORKLOAD,
            keys: &keys,
            life: LIFE,
            reader: self.reader,
            deadline: self.deadline,
            now: self.capture.now,
        };
        let looking_up = Stopwatch::start();
        let found = self.app.answers.read(&questions).await;
        trail.figures.lookup = looking_up.elapsed();

        let asking = Stopwatch::start();
        let judging = Judging {
            place,
            sight,
            opinion: Mutex::default(),
            tell: Mutex::default(),
        };
        let (charged, coalesced) = if found.is_settled() {
            (None, self.coalesce(&questions, found, &judging).await)
        } else if version::leaves_the_process(&self.app.config.providers, &self.principal.tier) {
            // A model that costs money is asked once the day has let it.
            let charged = self.charge(place).await?;
            (charged, self.coalesce(&questions, found, &judging).await)
        } else {
            let (charged, coalesced) = tokio::join!(self.charge(place), self.coalesce(&questions, found, &judging));
            (charged?, coalesced)
        };
        let (judgement, source) = self.outcome(&coalesced, sight, trail).await;
        trail.figures.asking = asking.elapsed();
        trail.note(&judging, &coalesced, judgement.as_ref());
        let is_judged = matches!(coalesced.outcomes.first(), Some(Outcome::Asked(_)))
            || (source == Source::Local && judgement.is_some());
        self.settle(charged, is_judged, trail).await;
        Ok(self.detection(place, judgement, source))
    }

    /// Has an image judged unless somebody has, and notes the frame for the device meanwhile.
    async fn coalesce(&self, questions: &Questions<'_>, found: Found, judging: &Judging<'_>) -> Coalesced {
        let (tell, told) = oneshot::channel();
        *judging.tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        let asked = async {
            let answers = &self.app.answers;
            let coalesced = answers.coalesce(questions, found, |open| self.ask(open, judging)).await;
            drop(judging.teller());
            coalesced
        };
        let noted = async {
            if let Ok((judgement, by)) = told.await {
                self.note_judged(judgement, by, judging).await;
            }
        };
        tokio::join!(asked, noted).0
    }

    async fn ask(&self, open: Vec<Open>, judging: &Judging<'_>) -> Reply {
        let subject = Subject {
            principal: self.principal,
            image: &judging.sight.image,
            digest: &judging.sight.parts[0],
            trace: self.capture.trace.as_deref(),
            deadline: self.deadline,
        };
        let mut opinion = judge::judge(self.app, &subject).await;
        let (judged, failure) = (opinion.judged.take(), opinion.failure.clone());
        *judging.opinion.lock().unwrap_or_else(PoisonError::into_inner) = opinion;
        let known = open.into_iter().next().and_then(|open| open.known);
        let answer = match (judged, known) {
            (Some(judged), _) => {
                let (payload, by) = (judged.judgement.encode(), version::author(&judged.by));
                if let Some(tell) = judging.teller() {
                    // Nobody listens any more if the request was given up.
                    let _ = tell.send((judged.judgement, Arc::clone(&by)));
                }
                Answer::Given(Given {
                    payload,
                    class: version::class(judged.class),
                    by,
                })
            }
            (None, Some(_)) => Answer::Known,
            (None, None) => Answer::Nobody,
        };
        Reply {
            answers: vec![answer],
            failure,
        }
    }

    /// Notes a judgement for the device and counts it, in two round trips side by side.
    async fn note_judged(&self, judgement: Judgement, by: Arc<str>, judging: &Judging<'_>) {
        let (place, sight) = (judging.place, judging.sight);
        let frame = sight.signature.clone().map(|signature| Frame {
            judgement: judgement.clone(),
            by,
            at: self.capture.now,
            depth: self.depth,
            whole: sight.whole,
            signature,
        });
        let detection = self.detection(place, Some(judgement), Source::Model);
        if let Some(pace) = &self.pace {
            pace.add(Safety::of(Ok(&detection)));
        }
        let counted = [(place, &detection)];
        tokio::join!(self.note(frame.as_ref()), self.count(&counted));
    }

    /// Reads the outcome. If nobody could judge, the embedded model stands in, where that is wanted.
    async fn outcome(&self, coalesced: &Coalesced, sight: &NewSight, trail: &mut Trail) -> (Option<Judgement>, Source) {
        let read = match coalesced.outcomes.first() {
            Some(Outcome::Cached(entry)) => Some((entry, Source::Cache)),
            Some(Outcome::Asked(entry)) if entry.class == version::class(ModelClass::Embedded) => {
                Some((entry, Source::Local))
            }
            Some(Outcome::Asked(entry)) => Some((entry, Source::Model)),
            Some(Outcome::Stale(entry)) => Some((entry, Source::Stale)),
            Some(Outcome::Nobody) | None => None,
        };
        if !matches!(read, Some((_, Source::Cache | Source::Local | Source::Model))) {
            trail.degraded.push(Degraded::Model);
        }
        if let Some((judgement, source)) =
            read.and_then(|(entry, source)| Some((Judgement::decode(&entry.payload)?, source)))
        {
            return (Some(judgement), source);
        }
        let chain_ends_here = self.app.config.providers.detect.has_embedded(&self.principal.tier);
        if self.app.config.providers.stand_in && !chain_ends_here {
            match judge::embedded(self.app, &sight.image).await {
                Ok(judgement) => return (Some(judgement), Source::Local),
                Err(failure) => trail.figures.model_failure = Some(failure),
            }
        }
        (None, Source::Default)
    }

    /// Charges an image, if it was not paid for before.
    async fn charge(&self, place: usize) -> Result<Option<Charged>, Error> {
        let Payment::WhenJudged(admitted) = self.capture.payment else {
            return Ok(None);
        };
        let key = self.capture.idempotency.as_ref().map(|key| of_place(key, place));
        admitted.charge_units(self.app, 1, key.as_ref()).await.map(Some)
    }

    /// Gives the charge back if nothing was judged for it.
    async fn settle(&self, charged: Option<Charged>, is_judged: bool, trail: &mut Trail) {
        let Some(charged) = charged else { return };
        let Charged {
            receipt,
            usage,
            certainty,
        } = charged;
        let (units, settling) = (receipt.units(), Stopwatch::start());
        let refund = admission::finish(self.app, receipt, u64::from(!is_judged)).await;
        trail.usage = usage.map(|usage| Usage {
            used: usage.used.saturating_sub(refund.given),
            ..usage
        });
        let figures = &mut trail.figures;
        figures.charged = units - refund.given;
        figures.refunded = refund.given;
        figures.refund_lost = refund.lost;
        figures.ambiguous = certainty == Certainty::Ambiguous;
        figures.settling = settling.elapsed();
        if certainty != Certainty::Sure || refund.lost > 0 {
            trail.degraded.push(Degraded::Quota);
        }
    }

    fn detection(&self, place: usize, judgement: Option<Judgement>, source: Source) -> Detection {
        Detection {
            id: self.capture.images[place].id.clone(),
            judgement,
            source,
        }
    }
}

impl Judging<'_> {
    fn teller(&self) -> Option<Teller> {
        self.tell.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Trail {
    fn note(&mut self, judging: &Judging<'_>, coalesced: &Coalesced, judgement: Option<&Judgement>) {
        let opinion = judging.opinion.lock().unwrap_or_else(PoisonError::into_inner);
        self.figures.tally = coalesced.tally;
        self.figures.bill = opinion.bill;
        self.figures.spend_limited = opinion.spend_limited;
        self.figures.model_failure = self.figures.model_failure.take().or_else(|| coalesced.failure.clone());
        if let (Some(repeated), Some(judgement)) = (&judging.sight.repeats, judgement) {
            self.figures.checked = 1;
            self.figures.similar_wrong = usize::from(repeated.level != judgement.level);
        }
        for (is, mode) in [
            (coalesced.degraded, Degraded::Cache),
            (opinion.spend_limited, Degraded::Spend),
        ] {
            if is {
                self.degraded.push(mode);
            }
        }
    }
}

/// The key of one image of a capture: each is charged for itself.
fn of_place(key: &IdempotencyKey, place: usize) -> IdempotencyKey {
    IdempotencyKey {
        key: match place {
            0 => key.key.clone(),
            place => sha256_base64url(format!("{}/{place}", key.key).as_bytes()),
        },
        request: key.request.clone(),
    }
}
