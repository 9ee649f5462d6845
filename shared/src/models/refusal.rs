//! Subjects of refusals, read from their bodies in the words of many providers.

use serde_json::Value;

use super::form::Feature;

/// The subject of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The words of the content, or its length.
    Content,
    /// A feature of the question's form.
    Form(Feature),
    /// Something that no other question changes, or that is not known.
    Other,
}

/// Codes of errors that are about the content, in words or in an image.
const OF_CONTENT: [&str; 20] = [
    "content_filter",
    "content_policy_violation",
    "ResponsibleAIPolicyViolation",
    "invalid_prompt",
    "context_length_exceeded",
    "json_validate_failed",
    "string_above_max_length",
    "empty_image_file",
    "image_content_policy_violation",
    "image_file_too_large",
    "image_parse_error",
    "image_too_large",
    "image_too_small",
    "invalid_base64_image",
    "invalid_image",
    "invalid_image_format",
    "invalid_image_mode",
    "invalid_image_url",
    "unsupported_image_format",
    "unsupported_image_media_type",
];

/// Words of messages without a code, in lower case and with spaces for underscores. The first that occurs decides.
const PHRASES: [(&str, About); 20] = [
    ("context length", About::Content),
    ("input is too long", About::Content),
    ("prompt is too long", About::Content),
    ("could not process image", About::Content),
    ("cannot identify image", About::Content),
    ("image exceeds", About::Content),
    ("image dimensions exceed", About::Content),
    ("unsupported image", About::Content),
    ("reasoning effort", About::Form(Feature::Effort)),
    ("temperature", About::Form(Feature::Temperature)),
    ("top p", About::Form(Feature::Temperature)),
    ("max completion tokens", About::Form(Feature::Bound)),
    ("max tokens", About::Form(Feature::Bound)),
    ("maximum tokens", About::Form(Feature::Bound)),
    ("response format", About::Form(Feature::Shape)),
    ("json schema", About::Form(Feature::Shape)),
    ("toolchoice", About::Form(Feature::Shape)),
    ("toolconfig", About::Form(Feature::Shape)),
    ("tool use", About::Form(Feature::Shape)),
    ("tool choice", About::Form(Feature::Shape)),
];

/// Reads the subject of an answer with this status.
#[must_use]
pub fn about(status: u16, body: &[u8]) -> About {
    match status {
        413 => return About::Content,
        400 | 422 => {}
        _ => return About::Other,
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = if body["error"].is_object() {
        &body["error"]
    } else {
        &body
    };
    let codes = [
        &error["code"],
        &error["type"],
        &error["innererror"]["code"],
        &error["inner_error"]["code"],
    ];
    if codes
        .iter()
        .any(|code| code.as_str().is_some_and(|code| OF_CONTENT.contains(&code)))
    {
        return About::Content;
    }
    // The name of the member at fault says more than a message, which may repeat what was asked.
    let said = [&error["param"], &error["message"], &body["detail"]].map(in_words);
    said.iter()
        .find_map(|text| PHRASES.iter().find(|(phrase, _)| text.contains(phrase)))
        .map_or(About::Other, |(_, about)| *about)
}

fn in_words(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.to_lowercase().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, error: &Value) -> About {
        about(status, error.to_string().as_bytes())
    }

    #[test]
    fn the_subject_of_a_refusal_is_the_content() {
        for error in [
            json!({"error": {"code": "content_filter", "status": 400, "param": "prompt",
                "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
            json!({"error": {"code": "context_length_exceeded", "param": "messages",
                "message": "This model's maximum context length is 8192 tokens."}}),
            json!({"error": {"code": "json_validate_failed", "type": "invalid_request_error"}}),
            json!({"error": {"code": 400, "type": "BadRequestError",
                "message": "This model's maximum context length is 4096 tokens."}}),
            json!({"message": "Input is too long for requested model."}),
            json!({"error": {"code": "invalid_image_format", "message": "You uploaded an unsupported image."}}),
            json!({"error": {"code": "image_content_policy_violation"}}),
            json!({"error": {"type": "BadRequestError", "message": "cannot identify image file <_io.BytesIO>"}}),
            json!({"message": "The model returned the following errors: Could not process image"}),
            json!({"message": "messages.0.content.0.image: image exceeds 5 MB maximum: 7465044 bytes > 5242880 bytes"}),
        ] {
            assert_eq!(of(400, &error), About::Content, "{error}");
        }
    }

    #[test]
    fn the_subject_of_a_refusal_is_a_feature_of_the_form() {
        for (feature, error) in [
            (
                Feature::Effort,
                json!({"error": {"param": "reasoning_effort", "code": "unsupported_value",
                "message": "Unsupported value: 'none' is not supported with the 'gpt-5' model."}}),
            ),
            (
                Feature::Temperature,
                json!({"error": {"param": "temperature", "code": "unsupported_value",
                "message": "Only the default (1) value is supported."}}),
            ),
            (
                Feature::Bound,
                json!({"error": {"param": "max_completion_tokens", "message": "max_tokens is too large: 9000."}}),
            ),
            (
                Feature::Bound,
                json!({"message": "The maximum tokens you requested exceeds the model limit of 2048."}),
            ),
            (
                Feature::Shape,
                json!({"error": {"param": "response_format", "message": "Invalid parameter"}}),
            ),
            (
                Feature::Shape,
                json!({"error": {"message": "This model does not support response format `json_schema`."}}),
            ),
            (
                Feature::Shape,
                json!({"message": "This model doesn't support the toolConfig.toolChoice.any field."}),
            ),
            (
                Feature::Shape,
                json!({"message": "This model doesn't support tool use."}),
            ),
            (
                Feature::Shape,
                json!({"detail": [{"loc": ["body", "response_format"], "msg": "extra fields not permitted"}]}),
            ),
        ] {
            assert_eq!(of(400, &error), About::Form(feature), "{error}");
        }
    }

    #[test]
    fn a_refusal_without_a_known_subject_is_about_something_else() {
        for error in [
            json!({"error": {"message": "bad request", "code": null}}),
            json!({"message": "This model doesn't support the image content block that you provided."}),
            json!("no"),
            json!(null),
        ] {
            assert_eq!(of(400, &error), About::Other, "{error}");
        }
    }

    #[test]
    fn only_a_bad_request_is_about_what_was_asked() {
        let error = json!({"error": {"code": "content_filter"}});
        assert_eq!(of(422, &error), About::Content);
        assert_eq!(of(413, &json!(null)), About::Content);
        for status in [401, 403, 404, 500] {
            assert_eq!(of(status, &error), About::Other, "{status}");
        }
    }
}
