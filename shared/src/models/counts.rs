//! Tokens of a call: the provider's counts where they can be true, else the most that they can have been.

use serde_json::Value;

use crate::money::Tokens;

/// The most tokens that a provider adds to a question: its template, and its own words about tools.
const MOST_ADDED: u64 = 4_096;

/// The most tokens of an answer that are believed: no model writes more.
const MOST_WRITTEN: u64 = 131_072;

/// The counts of a provider, as far as they are counts at all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Tokens of the question.
    pub input: Option<u64>,
    /// Tokens of the answer, with those of its reasoning.
    pub output: Option<u64>,
}

/// The most that a call can have read and written. No tokenizer makes more tokens of a text than it has bytes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of the question.
    pub question: usize,
    /// Bytes of the answer's text, as far as it came.
    pub answer: usize,
    /// The bound on output that the provider was sent.
    pub told: u32,
}

impl Bounds {
    /// Returns the most tokens that can have been written.
    fn written(self) -> u64 {
        (self.answer as u64).max(u64::from(self.told))
    }
}

impl Counts {
    /// Reads the counts in `usage`, by the names of its members: tokens of the question, of the answer, and of both.
    #[must_use]
    pub fn read(usage: &Value, [input, output, total]: [&str; 3]) -> Self {
        // Nothing is read or written for nothing, so that zero is no count.
        let count = |name: &str| usage[name].as_u64().filter(|count| *count > 0);
        let (input, total) = (count(input), count(total));
        let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64();
        let output = count(output).map(|output| {
            // Some providers leave reasoning out of the answer's tokens, and have it in the total alone.
            let all = total.zip(input).map_or(0, |(total, input)| total.saturating_sub(input));
            let beside = reasoning.filter(|reasoning| *reasoning > output).unwrap_or_default();
            all.max(output.saturating_add(beside))
        });
        Self { input, output }
    }

    /// Returns the tokens of a call: each count that can be true, and for each other the most that it can have been.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Tokens {
        let Self { input, output } = self.credible(bounds);
        Tokens {
            input: input.unwrap_or(bounds.question as u64),
            output: output.unwrap_or(bounds.written()),
        }
    }

    /// Returns the counts that can be true.
    #[must_use]
    pub fn credible(self, bounds: Bounds) -> Self {
        let believed = |count: Option<u64>, most: u64| count.filter(|count| *count <= most);
        Self {
            input: believed(self.input, bounds.question as u64 + MOST_ADDED),
            output: believed(self.output, bounds.written().max(MOST_WRITTEN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAMES: [&str; 3] = ["prompt_tokens", "completion_tokens", "total_tokens"];

    #[test]
    fn a_count_that_cannot_be_true_is_replaced_by_the_most_that_it_can_have_been() {
        let bounds = Bounds {
            question: 900,
            answer: 40,
            told: 88,
        };
        let both = |input: &Value, output: &Value| json!({"prompt_tokens": input, "completion_tokens": output});
        let unknown = [
            json!(0),
            json!(100.0),
            json!("100"),
            json!(null),
            json!(-1),
            json!(1e30),
            json!([7]),
            json!(4_000_000_000_u64),
        ];
        for value in &unknown {
            for (usage, expected) in [
                (both(value, &json!(20)), (900, 20)),
                (both(&json!(300), value), (300, 88)),
                (both(value, value), (900, 88)),
            ] {
                let tokens = Counts::read(&usage, NAMES).within(bounds);
                assert_eq!((tokens.input, tokens.output), expected, "{usage}");
            }
        }
        for usage in [
            Value::Null,
            json!({}),
            json!([]),
            json!("none"),
            json!({"total_tokens": 120}),
            json!({"input_tokens": 100, "output_tokens": 20}),
        ] {
            let tokens = Counts::read(&usage, NAMES).within(bounds);
            assert_eq!((tokens.input, tokens.output), (900, 88), "{usage}");
        }
    }

    #[test]
    fn reasoning_is_counted_as_output_once() {
        for (usage, expected) in [
            // Within the answer's tokens, as OpenAI has it.
            (
                json!({"prompt_tokens": 100, "completion_tokens": 520, "total_tokens": 620,
                "completion_tokens_details": {"reasoning_tokens": 500}}),
                520,
            ),
            // Beside them, with a total or without.
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 620}),
                520,
            ),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20,
                "completion_tokens_details": {"reasoning_tokens": 500}}),
                520,
            ),
            // A total that cannot be one says nothing.
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 1}),
                20,
            ),
        ] {
            assert_eq!(Counts::read(&usage, NAMES).output, Some(expected), "{usage}");
        }
    }

    #[test]
    fn an_answer_longer_than_it_was_to_be_counts_with_its_length() {
        let bounds = Bounds {
            question: 10,
            answer: 5_000,
            told: 88,
        };
        assert_eq!(Counts::default().within(bounds).output, 5_000);
    }
}
