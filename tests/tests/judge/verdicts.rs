//! What single posts are judged to be, and what a verdict says.

use shared::judge::{HIDE_FROM, Judge, Preference};

use super::judge;
use super::tokenizer::{PARTS, Random};

#[test]
fn any_text_gets_a_score_between_nought_and_one() {
    let judge = judge();
    let mut random = Random(7);
    let mut preferences: Vec<String> = (0..60).map(|_| random.text()).collect();
    preferences.extend(
        PARTS
            .iter()
            .map(|part| format!("hide {part}, but keep {part} unless only {part}")),
    );
    for text in &preferences {
        let preference = judge.read(text);
        for post in PARTS
            .iter()
            .map(|part| (*part).to_owned())
            .chain((0..5).map(|_| random.text()))
        {
            let opinion = judge.opinion(&preference, &post);
            assert!((0.0..=1.0).contains(&opinion.score), "{text:?} {post:?} {opinion:?}");
            assert_eq!(opinion, judge.opinion(&judge.read(text), &post), "{text:?} {post:?}");
        }
    }
}

#[test]
fn preference_and_judge_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Preference>();
    shared::<Judge>();
}

#[test]
fn obvious_posts_get_obvious_verdicts() {
    let cases = [
        ("hide crypto", "Bitcoin to the moon, buy crypto now!", true),
        ("hide crypto", "My tomato plants finally have flowers", false),
        ("HIDE CRYPTO", "bitcoin to the moon, BUY CRYPTO now!", true),
        ("don't hide crypto", "Bitcoin to the moon, buy crypto now!", false),
        ("I love crypto", "Bitcoin to the moon, buy crypto now!", false),
        ("hide sports but not tennis", "What a tennis final!", false),
        ("hide sports but not tennis", "What a basketball final!", true),
        ("hide sports, keep tennis", "What a tennis final!", false),
        ("no politics", "The election debate was a disgrace", true),
        (
            "show everything except politics",
            "The election debate was a disgrace",
            true,
        ),
        ("show everything except politics", "The soup needs more salt", false),
        ("only cats", "The senate voted on the new tax law today", true),
        ("only cats", "My cat and her kittens are asleep", false),
        ("hide everything", "The soup needs more salt", true),
        ("hide everything except soup", "The soup needs more salt", false),
        ("Hide Gandalfish", "Gandalfish is back with a new tour", true),
        ("Hide Gandalfish", "Wizards and fish in one novel", false),
        ("hide posts that are not in English", "The soup needs more salt", false),
        ("only English", "The soup needs more salt", false),
        ("", "The soup needs more salt", false),
        ("crypto", "", false),
    ];
    let judge = judge();
    for (preference, post, hidden) in cases {
        let opinion = judge.opinion(&judge.read(preference), post);
        assert_eq!(
            opinion.score >= HIDE_FROM,
            hidden,
            "{preference:?} {post:?} {opinion:?}"
        );
    }
}

#[test]
fn opinion_names_the_words_of_the_preference() {
    let judge = judge();
    let preference = judge.read("Hide Political rants and celebrity gossip, but keep Local News");
    let matched = |post| judge.opinion(&preference, post).matched;
    assert_eq!(
        matched("Senator rants about the election").as_deref(),
        Some("Political rants")
    );
    assert_eq!(
        matched("Local news: the mayor opens a bridge").as_deref(),
        Some("Local News")
    );
    assert_eq!(matched("Soup again"), None);
}

#[test]
fn passing_mention_in_a_long_post_does_not_hide_it() {
    let judge = judge();
    let filler = "We walked along the river and talked about the children and the house. ".repeat(60);
    let preference = judge.read("hide crypto coins");
    let long = judge.opinion(&preference, &format!("{filler} Somebody sold coins. {filler}"));
    assert!(long.score < HIDE_FROM, "{long:?}");
}
