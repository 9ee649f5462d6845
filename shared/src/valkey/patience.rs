//! Decides how long a call waits for its answer. Pure, except [`within`].
//!
//! Time is counted in turns: short sleeps of this process, during each of which it also reads its sockets. A process that is
//! busy or frozen takes few turns however late it is, so it never blames the cache for its own delay. Turns are so short that a
//! busy process has many of them for the steps of one answer.

use std::pin::pin;
use std::time::Duration;

/// One turn.
pub(super) const TURN: Duration = Duration::from_millis(2);

/// How long a call waits at most while its connection brings answers to others, beyond two silences.
const BESIDE_OTHERS: Duration = Duration::from_secs(1);

/// The patience of one call.
#[derive(Debug)]
pub(super) struct Patience {
    /// Silent turns in a row that raise a doubt.
    silence: u32,
    /// Turns left in all.
    left: u32,
    /// Answers that the connection had brought at the last turn.
    heard: u64,
    silent: u32,
    checked: bool,
}

/// The next step of a call after a turn without its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitStep {
    /// Waits for another turn: others are answered on its connection, or the silence is short.
    Wait,
    /// Checks if the cache is down, because nothing has come on its connection for a while.
    Check,
    /// Gives up. The cache is up, so this answer is lost.
    GiveUp,
}

impl Patience {
    /// The patience of a call on a connection that has brought `heard` answers; `silence` raises a doubt.
    pub(super) fn new(silence: Duration, heard: u64) -> Self {
        let silence = turns(silence);
        Self {
            silence,
            left: silence.saturating_mul(2).saturating_add(turns(BESIDE_OTHERS)),
            heard,
            silent: 0,
            checked: false,
        }
    }

    /// Decides after a turn, when the connection has brought `heard` answers.
    pub(super) const fn after_turn(&mut self, heard: u64) -> WaitStep {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return WaitStep::GiveUp;
        }
        if heard != self.heard {
            self.heard = heard;
            self.silent = 0;
            self.checked = false;
            return WaitStep::Wait;
        }
        self.silent += 1;
        if self.silent < self.silence {
            return WaitStep::Wait;
        }
        if self.checked {
            return WaitStep::GiveUp;
        }
        self.silent = 0;
        self.checked = true;
        WaitStep::Check
    }
}

/// Waits for `future` for as many turns as make `span`.
pub(super) async fn within<T>(span: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..turns(span) {
        if let Ok(output) = tokio::time::timeout(TURN, &mut future).await {
            return Some(output);
        }
    }
    None
}

fn turns(span: Duration) -> u32 {
    let turns = span.as_millis().div_ceil(TURN.as_millis());
    u32::try_from(turns).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_millis(8);

    /// Returns the last decision after `turns` turns without a new answer.
    fn after(turns: u32, patience: &mut Patience, heard: u64) -> WaitStep {
        for _ in 1..turns {
            assert_eq!(patience.after_turn(heard), WaitStep::Wait);
        }
        patience.after_turn(heard)
    }

    #[test]
    fn silence_is_looked_into_once_and_then_the_call_is_given_up() {
        let mut patience = Patience::new(SILENCE, 7);
        assert_eq!(after(4, &mut patience, 7), WaitStep::Check);
        assert_eq!(after(4, &mut patience, 7), WaitStep::GiveUp);
    }

    #[test]
    fn while_others_are_answered_nothing_is_doubted_but_patience_ends() {
        let mut patience = Patience::new(SILENCE, 0);
        let steps: Vec<WaitStep> = (1..=508).map(|turn| patience.after_turn(turn / 3)).collect();
        assert!(steps[..507].iter().all(|step| *step == WaitStep::Wait));
        assert_eq!(steps[507], WaitStep::GiveUp);
    }

    #[test]
    fn an_answer_to_another_after_the_check_begins_the_silence_anew() {
        let mut patience = Patience::new(SILENCE, 0);
        assert_eq!(after(4, &mut patience, 0), WaitStep::Check);
        assert_eq!(after(5, &mut patience, 1), WaitStep::Check);
    }

    #[test]
    fn every_span_has_a_turn() {
        let spans = [(0, 1), (1, 1), (2, 1), (3, 2), (1000, 500)];
        assert_eq!(
            spans.map(|(ms, _)| turns(Duration::from_millis(ms))),
            spans.map(|(_, n)| n)
        );
        assert_eq!(turns(Duration::MAX), u32::MAX);
    }
}
