//! The form in which a provider is asked: the strictest, with the least reasoning, that it has not refused.

use crate::config::providers::{Effort, ProviderName, ProviderSettings};

/// The way in which an answer's form is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// By the provider: a strict schema, or a tool that the model must use.
    Strict,
    /// As JSON of any kind, or by a tool that the model may use; the schema is part of the question too.
    Loose,
    /// By the question alone.
    Prompted,
}

/// The member that bounds an answer's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `max_completion_tokens`.
    Completion,
    /// `max_tokens`, its older name.
    Plain,
    /// None.
    Unsent,
}

/// A feature of the form that a provider can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// The way in which an answer's form is enforced.
    Shape,
    /// The amount of reasoning.
    Effort,
    /// The bound on the answer's length.
    Bound,
    /// The temperature.
    Temperature,
}

/// The form of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The way in which the answer's form is enforced.
    pub shape: Shape,
    /// The amount of reasoning that is sent, if any is.
    pub effort: Option<Effort>,
    /// The member that bounds the answer.
    pub bound: Bound,
    /// A temperature is sent, if the question or the settings have one.
    pub temperature: bool,
}

impl Form {
    /// Returns the form in which `name` is asked first.
    #[must_use]
    pub fn first(name: &ProviderName, settings: &ProviderSettings) -> Self {
        let (shape, least) = match name {
            // Llama chooses tools by itself or not at all.
            ProviderName::Bedrock(model) if model.contains("llama") => (Shape::Loose, None),
            ProviderName::OpenAi(model) => (Shape::Strict, least_effort(model)),
            ProviderName::Bedrock(_)
            | ProviderName::Moderation(_)
            | ProviderName::Rekognition
            | ProviderName::Local => (Shape::Strict, None),
        };
        Self {
            shape,
            effort: match settings.effort.of(name) {
                Some(Effort::Unsent) => None,
                set => set.or(least),
            },
            bound: Bound::Completion,
            temperature: true,
        }
    }

    /// Returns the form for a question that needs this much reasoning. A model that is not known to reason is not told to.
    #[must_use]
    pub fn with_reasoning(self, needed: Option<Effort>) -> Self {
        let effort = self
            .effort
            .map(|least| needed.map_or(least, |needed| needed.max(least)));
        Self { effort, ..self }
    }

    /// Returns the form after a refusal of `feature`; `None` if nothing is left of that to give up.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Option<Self> {
        match feature {
            Feature::Shape => {
                self.shape = match self.shape {
                    Shape::Strict => Shape::Loose,
                    Shape::Loose => Shape::Prompted,
                    Shape::Prompted => return None,
                }
            }
            Feature::Effort => self.effort = (self.effort? != Effort::Low).then_some(Effort::Low),
            Feature::Bound => {
                self.bound = match self.bound {
                    Bound::Completion => Bound::Plain,
                    Bound::Plain => Bound::Unsent,
                    Bound::Unsent => return None,
                }
            }
            Feature::Temperature if self.temperature => self.temperature = false,
            Feature::Temperature => return None,
        }
        Some(self)
    }

    /// Returns the most tokens of an answer that needs so many, with room for such reasoning as cannot be turned off.
    #[must_use]
    pub fn most_output(self, name: &ProviderName, needed: u32) -> u32 {
        let model = match name {
            ProviderName::OpenAi(model) | ProviderName::Bedrock(model) => model,
            ProviderName::Moderation(_) | ProviderName::Rekognition | ProviderName::Local => "",
        };
        let reasoning = match self.effort {
            Some(Effort::None) => 0,
            Some(Effort::Minimal) => 256,
            None if PLAIN.iter().any(|part| model.contains(part)) => 0,
            None | Some(Effort::Low | Effort::Unsent) => 2_048,
            Some(Effort::Medium) => 8_192,
            Some(Effort::High | Effort::Xhigh) => 32_768,
        };
        needed.saturating_add(reasoning)
    }
}

/// Parts of the names of models that do not reason unless they are told to.
const PLAIN: [&str; 8] = [
    "gpt-3",
    "gpt-4",
    "gpt-5-chat",
    "claude",
    "nova-micro",
    "nova-lite",
    "llama",
    "mistral-",
];

/// Returns the least reasoning that a model takes, by its name; `None` for a model that is not known to reason. Models before
/// gpt-5.1 reason at `medium` unless told otherwise, and bill it as output. Sources: `reasoning_effort` in `OpenAI`'s API
/// reference, and its errors for the models that differ from it.
#[must_use]
pub fn least_effort(model: &str) -> Option<Effort> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let has = |part: &str| name.split('-').any(|own| own == part);
    if let Some(version) = name.strip_prefix("gpt-5") {
        return match version {
            _ if has("chat") || has("pro") => None,
            _ if has("codex") => Some(Effort::Low),
            version if version.starts_with('.') => Some(Effort::None),
            version if version.is_empty() || version.starts_with('-') => Some(Effort::Minimal),
            _ => None,
        };
    }
    let reasons_low = match name.split_once('-').unwrap_or((name, "")) {
        ("o1", rest) => !rest.starts_with("mini") && !rest.starts_with("preview") && !has("pro"),
        ("o3" | "o4", _) => !has("pro") && !has("deep"),
        ("gpt", rest) => rest.starts_with("oss"),
        _ => false,
    };
    reasons_low.then_some(Effort::Low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form {
        shape: Shape::Strict,
        effort: None,
        bound: Bound::Completion,
        temperature: true,
    };

    #[test]
    fn each_model_is_told_the_least_that_it_takes() {
        for (model, expected) in [
            ("gpt-5", Some(Effort::Minimal)),
            ("gpt-5-mini", Some(Effort::Minimal)),
            ("gpt-5-nano-2025-08-07", Some(Effort::Minimal)),
            ("gpt-5-2025-08-07", Some(Effort::Minimal)),
            ("openai/gpt-5-mini", Some(Effort::Minimal)),
            ("gpt-5.1", Some(Effort::None)),
            ("gpt-5.1-2025-11-13", Some(Effort::None)),
            ("gpt-5.4-nano", Some(Effort::None)),
            ("gpt-5-codex", Some(Effort::Low)),
            ("gpt-5.1-codex-mini", Some(Effort::Low)),
            ("gpt-5-pro", None),
            ("gpt-5.2-pro", None),
            ("gpt-5-chat-latest", None),
            ("gpt-5.1-chat-latest", None),
            ("o1", Some(Effort::Low)),
            ("o3-mini", Some(Effort::Low)),
            ("o4-mini-2025-04-16", Some(Effort::Low)),
            ("o1-mini", None),
            ("o1-preview", None),
            ("openai/gpt-oss-20b", Some(Effort::Low)),
            ("gpt-4.1-mini", None),
            ("gpt-4o", None),
            ("llama3.2", None),
            ("cheap", None),
        ] {
            assert_eq!(least_effort(model), expected, "{model}");
        }
    }

    #[test]
    fn an_answer_is_bounded_by_what_it_needs_and_by_the_reasoning_that_is_left() {
        let most = |model: &str, effort, needed| {
            let form = Form { effort, ..FORM };
            form.most_output(&ProviderName::parse(model).unwrap(), needed)
        };
        assert_eq!(most("openai:gpt-5.1", Some(Effort::None), 104), 104);
        assert_eq!(most("openai:gpt-5-mini", Some(Effort::Minimal), 2_064), 2_320);
        assert_eq!(most("openai:gpt-4.1-mini", None, 2_064), 2_064);
        assert_eq!(most("openai:qwen3", None, 2_064), 4_112, "it may reason");
        assert_eq!(
            most("bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0", None, 2_064),
            2_064
        );
    }

    #[test]
    fn a_question_raises_the_reasoning_of_a_model_that_reasons_and_of_no_other() {
        for (least, needed, expected) in [
            (Some(Effort::None), Some(Effort::Low), Some(Effort::Low)),
            (Some(Effort::Low), Some(Effort::Minimal), Some(Effort::Low)),
            (Some(Effort::Minimal), None, Some(Effort::Minimal)),
            (None, Some(Effort::High), None),
        ] {
            let form = Form { effort: least, ..FORM };
            assert_eq!(form.with_reasoning(needed).effort, expected, "{least:?} {needed:?}");
        }
    }

    #[test]
    fn each_feature_can_be_given_up_until_nothing_is_left_of_it() {
        let form = Form {
            effort: Some(Effort::Minimal),
            ..FORM
        };
        let steps = |feature| std::iter::successors(Some(form), move |form: &Form| form.without(feature)).skip(1);
        let shapes: Vec<Shape> = steps(Feature::Shape).map(|form| form.shape).collect();
        assert_eq!(shapes, [Shape::Loose, Shape::Prompted]);
        let efforts: Vec<Option<Effort>> = steps(Feature::Effort).map(|form| form.effort).collect();
        assert_eq!(efforts, [Some(Effort::Low), None]);
        let bounds: Vec<Bound> = steps(Feature::Bound).map(|form| form.bound).collect();
        assert_eq!(bounds, [Bound::Plain, Bound::Unsent]);
        let temperatures: Vec<bool> = steps(Feature::Temperature).map(|form| form.temperature).collect();
        assert_eq!(temperatures, [false]);
    }
}
