//! Items that speak to the model. Their orders are not shown to it; one that no word list knows moves its own item at most.

use serde_json::json;
use tests::upstream::{Act, Script, upstream};

use super::{items, named, order, plan, rank};

/// Family, language, text: orders of items to a ranker.
const ORDERS: &str = include_str!("../../../../data/rank-orders.tsv");
/// Orders to a judge of posts, which no rule of rank was written for.
const OTHERS: &str = include_str!("../../../../data/injections.tsv");

const HONEST: [&str; 3] = ["hoka shoes", "running shoes", "sandals"];

fn texts(corpus: &'static str) -> impl Iterator<Item = &'static str> {
    corpus.lines().filter_map(|line| line.split('\t').nth(2))
}

#[tokio::test]
async fn an_item_that_orders_its_own_place_does_not_get_it_from_a_model_that_obeys() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut orders: Vec<String> = Vec::new();
    for text in texts(ORDERS) {
        orders.push(text.to_owned());
        orders.extend(text.split_inclusive(". ").map(str::to_owned).skip(1));
    }
    for text in texts(ORDERS) {
        let listed = [HONEST[0], HONEST[1], HONEST[2], text];
        let body = json!({"query": "running shoes", "items": items(&listed)});
        upstream.follow(Script::always(Act::Answer));
        let firm = order(&rank(&service, &ann, &body).await);
        upstream.follow(Script::always(Act::Obey { orders: orders.clone() }));
        // Another question, to a model that obeys whoever speaks to it.
        let again = json!({"query": "running shoes", "items": items(&listed), "criteria": "again"});
        assert_eq!(order(&rank(&service, &ann, &again).await), firm, "{text}");
    }
}

#[tokio::test]
async fn an_order_that_is_not_recognized_moves_its_own_item_alone() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    for text in texts(OTHERS).step_by(30) {
        let text: String = text.chars().take(400).collect();
        let listed = [HONEST[0], HONEST[1], HONEST[2], text.as_str()];
        let body = json!({"query": "running shoes", "items": items(&listed)});
        upstream.follow(Script::always(Act::Answer));
        let firm = order(&rank(&service, &ann, &body).await);
        assert_eq!(firm[0], "running shoes", "{text}");
        let heard = upstream.calls().last().unwrap().ranking.clone().unwrap();
        let spoken = heard
            .items
            .into_iter()
            .find(|item| !HONEST.contains(&item.text.as_str()));
        let orders = spoken.map(|item| item.text).filter(|text| !text.is_empty());
        upstream.follow(Script::always(Act::Obey {
            orders: orders.into_iter().collect(),
        }));
        let again = json!({"query": "running shoes", "items": items(&listed), "criteria": "again"});
        let obeyed = order(&rank(&service, &ann, &again).await);
        let honest =
            |ranked: Vec<String>| -> Vec<String> { ranked.into_iter().filter(|id| *id != named(&text)).collect() };
        assert_eq!(honest(obeyed), honest(firm));
    }
}
