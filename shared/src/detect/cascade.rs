//! The ways in which judges elsewhere answer, and the doubt with which the embedded model sends an image to them.

use super::judgement::{Category, Judgement};
use super::{answer, moderation, rekognition};
use crate::config::DetectSettings;
use crate::config::providers::{Doubt, ProviderName};

/// Reads an answer of a provider about one image.
///
/// # Errors
/// The fault, as a fixed text.
pub(super) fn read(name: &ProviderName, text: &str, settings: &DetectSettings) -> Result<Judgement, &'static str> {
    let model = name.to_string();
    match name {
        ProviderName::Moderation(_) => moderation::parse(text, &model, settings.thresholds(moderation::KIND)),
        ProviderName::Rekognition => rekognition::parse(text, &model, settings.thresholds(rekognition::KIND)),
        ProviderName::OpenAi(_) | ProviderName::Bedrock(_) => {
            answer::parse(text, &model, settings.thresholds(answer::KIND))
        }
        ProviderName::Local => Err("the embedded model writes no answers"),
    }
}

/// Reports whether a judgement of the embedded model lies in its band of doubt: neither surely safe nor surely explicit.
#[must_use]
pub fn is_doubtful(judgement: &Judgement, doubt: Doubt) -> bool {
    let explicit = judgement.categories.get(&Category::Sexual).copied();
    judgement.score >= doubt.from && explicit.unwrap_or_default() < doubt.to
}

#[cfg(test)]
mod tests {
    use vision::Scores;

    use super::super::embedded;
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_embedded_model_is_in_doubt_between_safe_and_explicit() {
        let thresholds = Config::read(|_| None).unwrap().detect.thresholds(embedded::KIND);
        let doubt = Doubt::default();
        for (explicit, sexy, expected) in [
            (0.0, 0.0, false),
            (0.05, 0.04, false),
            (0.05, 0.06, true),
            (0.0, 0.95, true),
            (0.5, 0.0, true),
            (0.85, 0.1, true),
            (0.91, 0.0, false),
            (0.95, 0.05, false),
        ] {
            let scores = Scores {
                drawing: 0.0,
                hentai: 0.0,
                neutral: 1.0 - explicit - sexy,
                porn: explicit,
                sexy,
            };
            let judgement = embedded::of_scores(&scores, thresholds);
            assert_eq!(is_doubtful(&judgement, doubt), expected, "{explicit} {sexy}");
        }
    }

    #[test]
    fn each_provider_is_read_in_its_own_way() {
        let settings = Config::read(|_| None).unwrap().detect;
        let labels = r#"{"ModerationLabels":[]}"#;
        for (name, reads) in [
            ("rekognition", true),
            ("openai-moderation:m", false),
            ("openai:m", false),
            ("bedrock:m", false),
            ("local", false),
        ] {
            let name = ProviderName::parse(name).unwrap();
            assert_eq!(read(&name, labels, &settings).is_ok(), reads, "{name}");
        }
    }
}
