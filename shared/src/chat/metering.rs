//! The tokens of a reply: the worst case that is set aside, and what was used. Pure.

use crate::models::counts::Counts;
use crate::models::dialogue::Dialogue;
use crate::money::Tokens;

/// The shortest reply that is worth asking for near the end of a day, unless the assistant's own are shorter.
pub const LEAST_OUTPUT: u32 = 256;

/// Bytes per token where a provider gives no count: more than any language of many users has.
const BYTES_PER_TOKEN: u64 = 3;

/// The worst case of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCase {
    /// The most tokens that can be read.
    pub prompt: u64,
    /// The most that may be written.
    pub output: u32,
}

impl WorstCase {
    /// Returns the worst case of a dialogue.
    #[must_use]
    pub fn of(dialogue: &Dialogue) -> Self {
        Self {
            prompt: dialogue.most_input() as u64,
            output: dialogue.max_output,
        }
    }

    /// Returns all of its tokens.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.prompt + self.output as u64
    }

    /// Returns the fewest tokens that are worth setting aside.
    #[must_use]
    pub fn least(self) -> u64 {
        self.prompt + u64::from(self.output.min(LEAST_OUTPUT))
    }

    /// Returns the tokens that may be written within so many in all.
    #[must_use]
    pub fn output_within(self, units: u64) -> u32 {
        let left = units.saturating_sub(self.prompt).min(u64::from(self.output));
        u32::try_from(left).unwrap_or(self.output)
    }
}

/// The tokens that a reply has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The tokens.
    pub tokens: Tokens,
    /// True if the provider counted not all of them.
    pub is_estimated: bool,
}

/// Returns the tokens of a reply: the provider's counts, whatever was set aside; for a missing one an estimate within that.
#[must_use]
pub fn used(counts: Counts, worst: WorstCase, reply_bytes: usize) -> Used {
    let input = counts.input.unwrap_or(worst.prompt.div_ceil(BYTES_PER_TOKEN));
    let written = (reply_bytes as u64).div_ceil(BYTES_PER_TOKEN);
    let output = counts
        .output
        .unwrap_or_else(|| written.min(worst.units().saturating_sub(input)));
    Used {
        tokens: Tokens { input, output },
        is_estimated: counts.input.is_none() || counts.output.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORST: WorstCase = WorstCase {
        prompt: 300,
        output: 500,
    };

    #[test]
    fn a_reply_gets_shorter_before_it_is_not_worth_asking_for() {
        assert_eq!((WORST.units(), WORST.least()), (800, 556));
        for (units, output) in [(800, 500), (900, 500), (556, 256), (301, 1), (300, 0), (0, 0)] {
            assert_eq!(WORST.output_within(units), output, "{units}");
        }
        let short = WorstCase { output: 100, ..WORST };
        assert_eq!(short.least(), 400, "an assistant of short replies");
    }

    #[test]
    fn the_providers_counts_count_and_an_estimate_stays_within_the_worst_case() {
        for (what, input, output, bytes, expected, is_estimated) in [
            ("both", Some(90), Some(40), 160, (90, 40), false),
            (
                "more than was set aside",
                Some(90),
                Some(4_000),
                160,
                (90, 4_000),
                false,
            ),
            ("no output", Some(90), None, 160, (90, 54), true),
            ("no input", None, Some(40), 160, (100, 40), true),
            ("none", None, None, 10, (100, 4), true),
            ("none, and longer than it may be", None, None, 9_000, (100, 700), true),
            ("none, and nothing said", None, None, 0, (100, 0), true),
        ] {
            let used = used(Counts { input, output }, WORST, bytes);
            assert_eq!((used.tokens.input, used.tokens.output), expected, "{what}");
            assert_eq!(used.is_estimated, is_estimated, "{what}");
        }
    }
}
