//! A question to a model and its reply, in no provider's words.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::counts::Counts;
use super::form::Shape;
use crate::config::providers::Effort;

/// The most tokens that any known model reads an image as: the largest image in the most tiles.
const MOST_PER_IMAGE: usize = 50_000;

/// A question to a model.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// Our own words.
    pub system: String,
    /// The user message, part by part: all that comes from outside.
    pub parts: Vec<Part>,
    /// The form of the answer, if it has one.
    pub schema: Option<Schema>,
    /// The most tokens of an answer, without those of reasoning.
    pub max_output: u32,
    /// The reasoning that the question needs, where the model reasons and no operator has set it (the least).
    pub reasoning: Option<Effort>,
    /// The temperature, where the model takes one (the configured one, if any).
    pub temperature: Option<f32>,
}

/// A part of the user message.
#[derive(Debug, Clone)]
pub enum Part {
    /// Words.
    Text(String),
    /// An image, encoded.
    Image(Image),
}

/// An encoded image.
#[derive(Clone)]
pub struct Image {
    /// Its encoding.
    pub format: ImageFormat,
    /// The bytes of its file.
    pub bytes: Vec<u8>,
}

/// An encoding of images that every provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
    /// `image/gif`.
    Gif,
    /// `image/webp`.
    Webp,
}

/// The form of an answer.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its name: letters, digits, `_` and `-`.
    pub name: &'static str,
    /// A JSON schema of one object in which everything is required, as strict modes want it.
    pub json: Value,
}

/// A reply, as it came.
#[derive(Debug)]
pub struct ModelReply {
    /// Its text; a refusal has none.
    pub text: Option<String>,
    /// The provider's counts of tokens.
    pub counts: Counts,
    /// It is a refusal because of the content.
    pub refused: bool,
}

impl ModelRequest {
    /// Returns the system message; where the provider does not enforce the answer's form, the schema is part of it.
    #[must_use]
    pub fn system_in(&self, shape: Shape) -> Cow<'_, str> {
        match (shape, &self.schema) {
            (Shape::Strict, _) | (_, None) => Cow::Borrowed(&self.system),
            (Shape::Loose | Shape::Prompted, Some(schema)) => Cow::Owned(format!(
                "{} Answer with exactly one JSON object of this JSON schema and nothing else: {}",
                self.system, schema.json
            )),
        }
    }

    /// Reports whether a part of it is an image.
    #[must_use]
    pub fn has_image(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Image(_)))
    }

    /// Returns its image, if it has exactly one.
    #[must_use]
    pub fn only_image(&self) -> Option<&Image> {
        let mut found = self.parts.iter().filter_map(|part| match part {
            Part::Image(image) => Some(image),
            Part::Text(_) => None,
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// Bounds the tokens of all that a model is given to read: by the bytes of texts, and by the largest image.
    #[must_use]
    pub fn most_input(&self) -> usize {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Image(_) => MOST_PER_IMAGE,
        });
        self.system_in(Shape::Prompted).len() + parts.sum::<usize>()
    }
}

impl ImageFormat {
    /// Returns its name, such as `jpeg`; after `image/` it is its media type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

impl Image {
    /// Returns its bytes as base64.
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }

    /// Returns it as a `data:` URL.
    #[must_use]
    pub fn data_url(&self) -> String {
        format!("data:image/{};base64,{}", self.format.name(), self.base64())
    }
}

impl std::fmt::Debug for Image {
    /// Leaves out the image: it is a user's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}, {} bytes)", self.format.name(), self.bytes.len())
    }
}

/// Takes the wrapping off an answer: a byte-order mark, one leading block of thoughts, one enclosing fence of backquotes.
#[must_use]
pub fn unwrapped(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim();
    let thoughts = text
        .strip_prefix("<think>")
        .and_then(|rest| rest.split_once("</think>"));
    let text = thoughts.map_or(text, |(_, answer)| answer.trim());
    let fenced = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    fenced.map_or(text, |inner| {
        inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
impl ModelRequest {
    /// A question of these parts, with a schema of one array.
    pub(super) fn sample(parts: Vec<Part>) -> Self {
        let json = serde_json::json!({
            "type": "object",
            "properties": {"rows": {"type": "array", "items": {"type": "string"}}, "note": {"type": "string"}},
            "required": ["rows", "note"],
            "additionalProperties": false,
        });
        Self {
            system: "Do it.".to_owned(),
            parts,
            schema: Some(Schema { name: "table", json }),
            max_output: 104,
            reasoning: None,
            temperature: None,
        }
    }
}
