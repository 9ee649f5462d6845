//! Rankings of a scripted provider: its replies to questions of rank.

use serde::Deserialize;
use serde_json::{Value, json};

use super::script::Act;

/// A question of rank as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedRanking {
    /// The query.
    pub query: String,
    /// Further criteria.
    #[serde(default)]
    pub criteria: String,
    /// The items, in the order of the call.
    pub items: Vec<AskedItem>,
}

/// An item as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedItem {
    /// Its id in this call.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// Returns a model's reply, as text. It ranks by the words that an item shares with the query, then by the alphabet.
pub(super) fn content(act: &Act, asked: &AskedRanking) -> String {
    let mut items: Vec<&AskedItem> = asked.items.iter().collect();
    if *act != Act::AsListed {
        items.sort_by_key(|item| (usize::MAX - shared(&asked.query, &item.text), &item.text));
    }
    if let Act::Obey { orders } = act {
        // Items that give orders come first.
        items.sort_by_key(|item| !orders.iter().any(|order| item.text.contains(order)));
    }
    let reason = |item: &AskedItem| format!("Words of the query in it: {}.", shared(&asked.query, &item.text));
    let entry = |item: &AskedItem| json!({"id": item.id, "reason": reason(item)});
    let mut ranking: Vec<Value> = items.into_iter().map(entry).collect();
    let holds = |text: &str| asked.items.iter().any(|item| item.text.contains(text));
    match act {
        Act::Prose => return "Certainly! The best of them is the first one.".to_owned(),
        Act::Poisoned { by } if holds(by) => return "I cannot help with that.".to_owned(),
        Act::Wrapped { before, after } => return format!("{before}{}{after}", json!({"ranking": ranking})),
        Act::ForeignId => ranking.push(json!({"id": "i0", "reason": "It was forgotten."})),
        Act::Twice => ranking.extend(ranking.first().cloned()),
        Act::LeaveOut => {
            ranking.pop();
        }
        Act::OnlyFirst => ranking.truncate(1),
        Act::Reverse => ranking.reverse(),
        Act::OutOfRange => {
            if let Some(entry) = ranking.first_mut() {
                entry["reason"] = json!("so ".repeat(500));
            }
        }
        _ => {}
    }
    let mut text = json!({"ranking": ranking}).to_string();
    if *act == Act::Truncated {
        text.truncate(text.len() / 2);
    }
    text
}

fn shared(query: &str, text: &str) -> usize {
    let words = query.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| word.chars().count() >= 4 && text.contains(word))
        .count()
}
