//! Settings of those who judge images: their chain, and the band of scores in which the embedded model is in doubt.

use std::collections::BTreeMap;

use super::chains::{self, Chains};
use super::provider_name::ProviderName;
use super::{ConfigError, Settings};

/// The start of a chain before which the embedded model looks.
const FIRST_LOOK: &str = "local>";

/// The band of scores in which the embedded model is in doubt (0.1 to 0.9).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    /// A picture whose score of anything unsafe is below this is safe without a doubt.
    pub from: f32,
    /// A picture whose score of something explicit is at least this is explicit without a doubt.
    pub to: f32,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { from: 0.1, to: 0.9 }
    }
}

/// Reads the chain of those who judge images, and the band of doubt if `local>` stands before it.
pub(super) fn read(env: &Settings<'_>) -> Result<(Chains, Option<Doubt>), ConfigError> {
    let variable = "CLEARVIEW_DETECT_PROVIDERS";
    let text = env.text(variable, "local");
    let doubt = Doubt::read(env, "CLEARVIEW_DETECT_DOUBT")?;
    let (looks_first, listed) = match text.strip_prefix(FIRST_LOOK) {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let base = chains::parse(variable, listed)?;
    if looks_first && !base.iter().any(ProviderName::is_remote) {
        return Err(ConfigError {
            variable,
            problem: format!("{text:?} names nobody to ask where local is in doubt, as {FIRST_LOOK}rekognition would"),
        });
    }
    let by_tier = BTreeMap::new();
    Ok((Chains { base, by_tier }, looks_first.then_some(doubt)))
}

impl Doubt {
    fn read(env: &Settings<'_>, variable: &'static str) -> Result<Self, ConfigError> {
        let Some(text) = env.optional(variable) else {
            return Ok(Self::default());
        };
        let bound = |text: &str| text.trim().parse().ok().filter(|bound| (0.0..=1.0).contains(bound));
        let band = text.split_once('-').and_then(|(from, to)| {
            let (from, to) = (bound(from)?, bound(to)?);
            (from < to).then_some(Self { from, to })
        });
        band.ok_or_else(|| ConfigError {
            variable,
            problem: format!("{text:?} is no band of scores such as 0.1-0.9"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(set: &[(&str, &str)]) -> Result<(Chains, Option<Doubt>), ConfigError> {
        let of = |name: &str| set.iter().find(|(set, _)| *set == name);
        read(&Settings(&|name| of(name).map(|(_, value)| (*value).to_owned())))
    }

    #[test]
    fn a_chain_may_begin_with_a_look_of_the_embedded_model() {
        let (default, doubt) = read_of(&[]).unwrap();
        assert_eq!((default.base, doubt), (vec![ProviderName::Local], None));
        for (text, doubt, base) in [
            ("rekognition,local", false, "rekognition,local"),
            (
                "local>openai-moderation:omni-moderation-latest",
                true,
                "openai-moderation:omni-moderation-latest",
            ),
            (
                " local> rekognition, bedrock:amazon.nova-lite-v1:0 ,local",
                true,
                "rekognition,bedrock:amazon.nova-lite-v1:0,local",
            ),
        ] {
            let (read, band) = read_of(&[("CLEARVIEW_DETECT_PROVIDERS", text)]).unwrap();
            let names: Vec<String> = read.base.iter().map(ToString::to_string).collect();
            assert_eq!((names.join(",").as_str(), band.is_some()), (base, doubt), "{text}");
        }
        for text in [
            "local>",
            "local>local",
            "rekognition>local",
            "local,rekognition",
            "rekognition:1",
            "openai-moderation",
        ] {
            assert!(read_of(&[("CLEARVIEW_DETECT_PROVIDERS", text)]).is_err(), "{text}");
        }
    }

    #[test]
    fn the_band_of_doubt_is_two_scores_in_order() {
        let chain = ("CLEARVIEW_DETECT_PROVIDERS", "local>rekognition");
        let band = |text| read_of(&[chain, ("CLEARVIEW_DETECT_DOUBT", text)]);
        assert_eq!(read_of(&[chain]).unwrap().1, Some(Doubt { from: 0.1, to: 0.9 }));
        assert_eq!(band("0 - .5").unwrap().1, Some(Doubt { from: 0.0, to: 0.5 }));
        for text in [
            "0.9-0.1", "0.5", "0.5-0.5", "-0.1-0.5", "0.1-1.5", "0.1-NaN", "low-high",
        ] {
            assert_eq!(band(text).unwrap_err().variable, "CLEARVIEW_DETECT_DOUBT", "{text}");
        }
    }
}
