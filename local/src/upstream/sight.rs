//! Images of a scripted provider: its replies to those who ask about one.

use serde_json::{Value, json};

use super::script::Act;

/// The way in which an image is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SightForm {
    /// By `/moderations` of OpenAI's protocol.
    Moderation,
    /// By Rekognition's operation.
    Labels,
    /// By a prompt, as any other question.
    Prompt,
}

/// Returns the way in which a call asks about exactly one image, if it does.
#[must_use]
pub fn asked(path: &str, target: &str, body: &Value, converse: bool) -> Option<SightForm> {
    let is_data = |url: &Value| {
        url.as_str()
            .is_some_and(|url| url.starts_with("data:image/jpeg;base64,/9j/"))
    };
    if path.ends_with("/moderations") {
        let [input] = body["input"].as_array()?.as_slice() else {
            return None;
        };
        return is_data(&input["image_url"]["url"]).then_some(SightForm::Moderation);
    }
    if target == "RekognitionService.DetectModerationLabels" {
        return body["Image"]["Bytes"].is_string().then_some(SightForm::Labels);
    }
    let of_user = body["messages"]
        .as_array()?
        .iter()
        .find(|message| message["role"] == "user")?;
    let is_image = |part: &&Value| {
        if converse {
            part["image"]["source"]["bytes"].is_string()
        } else {
            is_data(&part["image_url"]["url"])
        }
    };
    let images = of_user["content"].as_array()?.iter().filter(is_image).count();
    (images == 1).then_some(SightForm::Prompt)
}

/// Returns a judge's reply, as text: the whole body, or what a model says to a prompt.
pub(super) fn content(act: &Act, form: SightForm) -> String {
    let level = match act {
        Act::Sees { level } => usize::from(*level).min(3),
        _ => 0,
    };
    let mut reply = match form {
        SightForm::Moderation => moderation(level),
        SightForm::Labels => labels(level),
        SightForm::Prompt => scores(level),
    };
    let place = match form {
        SightForm::Moderation => "/results/0/category_scores/sexual",
        SightForm::Labels => "/ModerationLabels",
        SightForm::Prompt => "/sexual",
    };
    match act {
        Act::Prose => return "I cannot say what that is.".to_owned(),
        Act::Wrapped { before, after } => return format!("{before}{reply}{after}"),
        Act::Twice => {
            let first = reply["results"][0].clone();
            if let Some(results) = reply["results"].as_array_mut() {
                results.push(first);
            }
        }
        Act::OutOfRange => {
            if let Some(score) = reply.pointer_mut(place) {
                *score = match form {
                    SightForm::Labels => json!([{"Name": "Explicit", "ParentName": "", "Confidence": 700}]),
                    SightForm::Moderation | SightForm::Prompt => json!(7),
                };
            }
        }
        Act::LeaveOut => {
            if let Some(score) = reply.pointer_mut(place) {
                *score = Value::Null;
            }
        }
        _ => {}
    }
    let mut text = reply.to_string();
    if *act == Act::Truncated {
        text.truncate(text.len() / 2);
    }
    text
}

fn moderation(level: usize) -> Value {
    let sexual = [0.01, 0.3, 0.6, 0.95][level];
    let scores = json!({"sexual": sexual, "violence": 0.01, "violence/graphic": 0.0, "self-harm": 0.0, "hate": 0.0});
    let of_image = json!(["image"]);
    json!({"id": "modr-scripted", "model": "omni-moderation-latest", "results": [{
        "flagged": level > 1,
        "categories": {"sexual": level > 1},
        "category_scores": scores,
        "category_applied_input_types": {
            "sexual": of_image, "violence": of_image, "violence/graphic": of_image, "self-harm": of_image, "hate": [],
        },
    }]})
}

fn labels(level: usize) -> Value {
    let label = |name: &str, parent: &str, depth: u8| json!({"Confidence": 96.5, "Name": name, "ParentName": parent, "TaxonomyLevel": depth});
    let listed = match level {
        0 => Vec::new(),
        1 => vec![label("Swimwear or Underwear", "", 1)],
        2 => vec![
            label("Explicit", "", 1),
            label("Explicit Nudity", "Explicit", 2),
            label("Exposed Female Nipple", "Explicit Nudity", 3),
        ],
        _ => vec![
            label("Explicit", "", 1),
            label("Explicit Sexual Activity", "Explicit", 2),
        ],
    };
    json!({"ModerationLabels": listed, "ModerationModelVersion": "7.0", "ContentTypes": []})
}

fn scores(level: usize) -> Value {
    let of = |own: usize| if own == level { 0.9 } else { 0.0 };
    json!({
        "sexual": of(3), "nudity": of(2), "suggestive": of(1),
        "violence": 0.0, "gore": 0.0, "selfHarm": 0.0, "hateSymbols": 0.0, "drugs": 0.0, "weapons": 0.0,
    })
}
