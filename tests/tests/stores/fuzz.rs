//! The fuzz targets on a bounded number of inputs: random ones, and good ones with some bytes changed.

use judge::Judge;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::{prop_oneof, proptest, strategy::Just, strategy::Strategy};
use tests::screens::Screen;
use tests::{events, fuzz};

const SIGNED: &str = "sig=(\"@method\" \"@authority\" \"@path\" \"content-digest\");created=1795300000;nonce=\"0123456789\";keyid=\"a\";tag=\"clearview\"\nsig=:AAAA:\nsha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\nvalue";

const TOKENS: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.eyJpc3MiOiJjbGVhcnZpZXciLCJhdWQiOiJjbGVhcnZpZXcifQ.AAAA",
    "u_AAAAAAAAAAAAAAAAAAAAAA.s_AAAAAAAAAAAAAAAAAAAAAA.7.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

/// One of `corpus` with up to eight bytes changed, or anything at all.
fn inputs(corpus: Vec<String>) -> impl Strategy<Value = Vec<u8>> {
    files(corpus.into_iter().map(String::into_bytes).collect())
}

/// The same of a corpus of files.
fn files(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8);
    let touched = (proptest::sample::select(corpus), changes).prop_map(|(mut bytes, changes)| {
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    });
    prop_oneof![4 => touched, 1 => vec(any::<u8>(), 0..300), 1 => Just(Vec::new())]
}

fn captured() -> Vec<String> {
    events::all().iter().map(|event| event.with_token("token")).collect()
}

fn many() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(tests::runs::cases(3_000))
    }
}

#[test]
fn no_bytes_break_a_parser() {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let judge = Judge::load().unwrap();
    proptest!(many(), |(bytes in inputs(captured()))| fuzz::events(&bytes));
    proptest!(many(), |(bytes in inputs(owned(&TOKENS)))| fuzz::tokens(&bytes));
    proptest!(many(), |(bytes in inputs(owned(&[SIGNED])))| fuzz::signatures(&bytes));
    let screen = Screen::of(1);
    let images = vec![screen.png(), screen.jpeg(), screen.webp()];
    let few = ProptestConfig {
        cases: many().cases / 10,
        ..many()
    };
    proptest!(few, |(bytes in files(images))| fuzz::images(&bytes));
    let answers = [
        r#"{"verdicts":[{"id":"a","score":0.9,"matched":"crypto","reason":"x"},{"id":"b","score":0}]}"#,
        r#"{"verdicts":[{"id":"a","score":1e0}]}"#,
    ];
    proptest!(many(), |(bytes in inputs(owned(&answers)))| fuzz::answers(&bytes));
    let wishes = [
        "Hide crypto and diet ads, but keep recipes",
        "only cats; no dogs (unless puppies)",
    ];
    proptest!(many(), |(bytes in inputs(owned(&wishes)))| fuzz::preferences(&judge, &bytes));
}
