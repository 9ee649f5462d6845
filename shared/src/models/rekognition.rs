//! Amazon Rekognition's `DetectModerationLabels`: labels of one image, by AWS's JSON protocol 1.1.

use lambda_http::http::{Method, Request, header};
use serde_json::{Value, json};

use super::counts::Counts;
use super::failure::Failure;
use super::request::{ModelReply, ModelRequest};
use super::transport::HttpAnswer;

/// The confidence, of 100, below which labels are not listed. AWS's default of 50 would decide here; thresholds are to decide.
const LEAST_CONFIDENCE: u8 = 20;

/// Errors that are the image's fault.
const OF_IMAGE: [&str; 3] = [
    "ImageTooLargeException",
    "InvalidImageFormatException",
    "InvalidParameterException",
];

/// Errors that say: too many calls. The protocol gives them status 400.
const OF_RATE: [&str; 3] = [
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
];

/// Errors about our rights, with status 400 as well.
const OF_RIGHTS: [&str; 5] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
];

/// Returns the request for the labels of the image of a question; to be signed.
///
/// # Errors
/// [`Failure::Unasked`] when there is not exactly one image, or the address cannot be sent.
pub fn request(endpoint: &str, request: &ModelRequest) -> Result<Request<String>, Failure> {
    let image = request
        .only_image()
        .ok_or(Failure::Unasked("Rekognition takes exactly one image"))?;
    let body = json!({"Image": {"Bytes": image.base64()}, "MinConfidence": LEAST_CONFIDENCE});
    Request::builder()
        .method(Method::POST)
        .uri(format!("{}/", endpoint.trim_end_matches('/')))
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", "RekognitionService.DetectModerationLabels")
        .body(body.to_string())
        .map_err(|_| Failure::Unasked("the address cannot be sent"))
}

/// Reads an answer. Its text is all of it: labels, and the version of the model.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8]) -> Result<ModelReply, Failure> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if !answer["ModerationLabels"].is_array() {
        return Err(Failure::Schema("the body has no moderation labels"));
    }
    Ok(ModelReply {
        text: Some(answer.to_string()),
        counts: Counts::default(),
        refused: false,
    })
}

/// Returns the failure that an error's name says; `None` if its status says all there is.
#[must_use]
pub fn failure(answer: &HttpAnswer) -> Option<Failure> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let name = body["__type"].as_str()?.rsplit('#').next()?;
    if OF_IMAGE.contains(&name) {
        Some(Failure::Image(answer.status))
    } else if OF_RATE.contains(&name) {
        Some(Failure::RateLimited(answer.wait))
    } else if OF_RIGHTS.contains(&name) {
        Some(Failure::Refused(403))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{Image, ImageFormat, Part};
    use super::*;

    #[test]
    fn a_question_is_one_image_and_nothing_else() {
        let image = || {
            Part::Image(Image {
                format: ImageFormat::Jpeg,
                bytes: vec![0, 0, 1],
            })
        };
        let asked = ModelRequest::sample(vec![Part::Text("a".into()), image()]);
        let request = request("http://h/", &asked).unwrap();
        assert_eq!(request.uri(), "http://h/");
        assert_eq!(
            request.headers()["x-amz-target"],
            "RekognitionService.DetectModerationLabels"
        );
        let body: Value = serde_json::from_str(request.body()).unwrap();
        assert_eq!(body, json!({"Image": {"Bytes": "AAAB"}, "MinConfidence": 20}));
        for parts in [vec![], vec![Part::Text("a".into())], vec![image(), image()]] {
            let asked = ModelRequest::sample(parts);
            assert!(matches!(super::request("http://h", &asked), Err(Failure::Unasked(_))));
        }
    }

    #[test]
    fn an_errors_name_says_more_than_its_status() {
        let wait = Some(std::time::Duration::from_secs(3));
        for (name, expected) in [
            ("ImageTooLargeException", Some(Failure::Image(400))),
            (
                "com.amazonaws.rekognition#InvalidImageFormatException",
                Some(Failure::Image(400)),
            ),
            ("InvalidParameterException", Some(Failure::Image(400))),
            ("ThrottlingException", Some(Failure::RateLimited(wait))),
            (
                "ProvisionedThroughputExceededException",
                Some(Failure::RateLimited(wait)),
            ),
            ("AccessDeniedException", Some(Failure::Refused(403))),
            (
                "com.amazon.coral.service#UnrecognizedClientException",
                Some(Failure::Refused(403)),
            ),
            ("InternalServerError", None),
            ("SomethingNew", None),
        ] {
            let answer = HttpAnswer {
                status: 400,
                wait,
                body: json!({"__type": name, "Message": "m"}).to_string().into_bytes(),
            };
            assert_eq!(failure(&answer), expected, "{name}");
        }
    }
}
