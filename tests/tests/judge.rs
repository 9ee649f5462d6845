//! The embedded judge: its tokenizer against Hugging Face's, its verdicts against labelled posts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and reports its figures"
)]

use std::fmt::Write;

use shared::judge::{HIDE_FROM, JUDGE_VERSION, Judge, Preference};
use tokenizers::Tokenizer;

fn judge() -> Judge {
    Judge::load().unwrap()
}

/// Hugging Face's tokenizer with the file that the vocabulary was taken from; what users write is never a special token.
fn reference() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_bytes(include_bytes!("../data/minilm-tokenizer.json")).unwrap();
    tokenizer.set_encode_special_tokens(true);
    tokenizer
}

fn assert_same_ids<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let (judge, reference) = (judge(), reference());
    let mut count = 0;
    for text in texts {
        let expected = reference.encode(text, false).unwrap();
        assert_eq!(
            judge.token_ids(text),
            expected.get_ids(),
            "{text:?} -> {:?}",
            expected.get_tokens()
        );
        count += 1;
    }
    count
}

/// Texts to combine: scripts, marks, controls, and what people paste.
const PARTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "hello world",
    "Hello, World!",
    "don't",
    "it’s",
    "isn''t",
    "naïve café",
    "nai\u{308}ve cafe\u{301}",
    "ÀÉÎÕÜ",
    "A\u{30a}ngstro\u{308}m",
    "Ångström",
    "İstanbul",
    "ıııı",
    "straße",
    "STRASSE ẞ",
    "ŁÓDŹ",
    "œuvre æther",
    "ﬁne ﬂow",
    "ΑΒΓ ἀρχή σοφός ΣΟΦΟΣ",
    "Привет, мир!",
    "йогурт ёлка Й",
    "україна ґ ї",
    "שָׁלוֹם עולם",
    "السَّلَامُ عَلَيْكُم",
    "سلام دنیا",
    "हिन्दी में लिखा",
    "ক্ষমা করুন",
    "தமிழ்",
    "ไทยภาษา น้ำ",
    "ລາວ",
    "ខ្មែរ",
    "မြန်မာ",
    "한국어 텍스트",
    "한국어",
    "日本語のテキスト",
    "漢字とカナ",
    "中文字符",
    "中文English混合",
    "𠀀𪜀",
    "豈更車",
    "ゔが゛",
    "👍",
    "👨‍👩‍👧‍👦 family",
    "🏳️‍🌈",
    "🇩🇪🇫🇷",
    "❤️",
    "1️⃣",
    "😀😀😀",
    "\0",
    "a\0b",
    "\u{7f}",
    "\u{80}x\u{9f}",
    "tab\tnew\nline\r\n",
    "\u{b}\u{c}",
    "a\u{85}b",
    "soft\u{ad}hyphen",
    "zero\u{200b}width",
    "\u{feff}bom",
    "\u{202e}bidi\u{202c}",
    "\u{2066}iso\u{2069}",
    "a\u{a0}b\u{3000}c\u{2003}d\u{2028}e\u{2029}f",
    "\u{1680}ogham",
    "\u{fffd}",
    "\u{e000}private",
    "\u{f8ff}",
    "!!!???...",
    "---",
    "___",
    "a_b-c.d",
    "¿Qué? ¡Sí!",
    "«quoted» „low“ ‚x‘",
    "…—–",
    "、。，！",
    "٪؟،",
    "।॥",
    "$100 €5 £3 ¥7",
    "50% off",
    "x^2 + y~z `code` |",
    "§ 5 ¶ © ® ™ ° ±",
    "1234567890",
    "3.14159",
    "1,000,000",
    "２０２４",
    "Ⅷ ½ ²",
    "2024-01-31T23:59:59Z",
    "https://example.com/a/b?c=d&e=%20#f",
    "www.x.co",
    "user@mail.example",
    "#hashtag @mention",
    "C++ C# .NET",
    "[CLS]",
    "[UNK] [MASK]",
    "##ing",
    "##",
    "antidisestablishmentarianism",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "supercalifragilisticexpialidocious",
    "qwrtzpsdfg",
    "ﷺ",
    "\u{1d400}\u{1d401}",
    "ａｂｃ ＦＵＬＬ",
    "e\u{301}\u{301}\u{301}\u{323}",
    "\u{301}",
    "\u{301}abc",
    "q\u{323}\u{307}",
    "q\u{307}\u{323}",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "\u{10ffff}",
    "\u{378}",
    "\u{1f9ff}",
    "\u{a7ae}",
    "Ꮳ ꭰ",
    "Ǆ ǅ ǆ",
    "ŉ ǰ ΐ",
];

#[test]
fn golden_texts_have_the_ids_of_the_reference() {
    let long = [99, 100, 101, 5000].map(|length| "a".repeat(length));
    let wide = [99, 100, 101].map(|length| "é".repeat(length));
    let ideographs = ["中".repeat(101), "ก".repeat(101)];
    let neighbours = PARTS.windows(2).map(|pair| pair.join(""));
    let spaced = PARTS.windows(3).map(|three| three.join(" "));
    let texts: Vec<String> = neighbours
        .chain(spaced)
        .chain(long)
        .chain(wide)
        .chain(ideographs)
        .collect();
    let count = assert_same_ids(PARTS.iter().copied().chain(texts.iter().map(String::as_str)));
    assert!(count >= 200, "only {count} texts");
}

/// Splitmix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(bound)).unwrap()
    }

    fn text(&mut self) -> String {
        const RANGES: [(u32, u32); 16] = [
            (0x20, 0x7f),
            (0x61, 0x7b),
            (0, 0x20),
            (0x80, 0x250),
            (0x250, 0x370),
            (0x370, 0x600),
            (0x600, 0xe80),
            (0xe80, 0x2000),
            (0x2000, 0x2c00),
            (0x2c00, 0x3400),
            (0x4e00, 0xa000),
            (0xa000, 0xd800),
            (0xe000, 0x1_0000),
            (0x1_0000, 0x2_0000),
            (0x1_f300, 0x1_fb00),
            (0x2_0000, 0x11_0000),
        ];
        let kinds = [self.below(16), self.below(16), self.below(3)];
        let length = self.below(60);
        let one = |random: &mut Self| {
            let (low, high) = RANGES[kinds[random.below(3) as usize] as usize];
            char::from_u32(low + random.below(high - low))
        };
        (0..length)
            .filter_map(|_| if self.below(7) == 0 { Some(' ') } else { one(self) })
            .collect()
    }
}

#[test]
fn random_texts_have_the_ids_of_the_reference() {
    let mut random = Random(20_241_121);
    let texts: Vec<String> = (0..6000).map(|_| random.text()).collect();
    assert_same_ids(texts.iter().map(String::as_str));
}

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

struct Row {
    preference: &'static str,
    post: &'static str,
    hide: bool,
}

fn rows(table: &'static str) -> Vec<Row> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let parse = |line: &'static str| {
        let mut cells = line.split('\t');
        let mut next = || cells.next().unwrap();
        Row {
            preference: next(),
            post: next(),
            hide: next() == "1",
        }
    };
    lines.map(parse).collect()
}

struct Figures {
    false_hides: f64,
    catches: f64,
    auc: f64,
    scores: Vec<f32>,
}

fn measure(rows: &[Row]) -> Figures {
    let judge = judge();
    let score = |row: &Row| judge.opinion(&judge.read(row.preference), row.post).score;
    let scores: Vec<f32> = rows.iter().map(score).collect();
    let of = |hide: bool| -> Vec<f32> {
        rows.iter()
            .zip(&scores)
            .filter(|(row, _)| row.hide == hide)
            .map(|(_, score)| *score)
            .collect()
    };
    let (hide, show) = (of(true), of(false));
    let hidden = |scores: &[f32]| mean(scores.iter().map(|score| f64::from(u8::from(*score >= HIDE_FROM))));
    let above = |a: f32, b: f32| {
        if a > b {
            1.0
        } else if a < b {
            0.0
        } else {
            0.5
        }
    };
    let auc = mean(hide.iter().flat_map(|a| show.iter().map(move |b| above(*a, *b))));
    Figures {
        false_hides: hidden(&show),
        catches: hidden(&hide),
        auc,
        scores,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

impl Figures {
    fn print(&self, name: &str) {
        let Self {
            false_hides,
            catches,
            auc,
            ..
        } = self;
        println!(
            "{name}: false hides {:.1} %, catches {:.1} %, AUC {auc:.3}",
            false_hides * 100.0,
            catches * 100.0
        );
    }
}

/// The rows that the constants were set by.
#[test]
fn threshold_keeps_false_hides_rare_on_the_development_rows() {
    let rows = rows(include_str!("../data/judge-dev.tsv"));
    assert!(rows.len() >= 150);
    let figures = measure(&rows);
    figures.print("development");
    assert!(figures.false_hides <= 0.05, "{}", figures.false_hides);
    assert!(figures.catches >= 0.35, "{}", figures.catches);
}

/// Rows that nothing was set by: what to expect outside.
#[test]
fn threshold_keeps_false_hides_rare_on_held_out_rows() {
    let figures = measure(&rows(include_str!("../data/judge-heldout.tsv")));
    figures.print("held out");
    assert!(figures.false_hides <= 0.08, "{}", figures.false_hides);
    assert!(figures.catches >= 0.25, "{}", figures.catches);
}

/// Cached verdicts carry the version: whoever changes a verdict must change it too.
#[test]
fn version_changes_with_the_verdicts() {
    let mut verdicts = String::new();
    for table in [
        include_str!("../data/judge-dev.tsv"),
        include_str!("../data/judge-heldout.tsv"),
    ] {
        for score in measure(&rows(table)).scores {
            write!(verdicts, "{score:.3} ").unwrap();
        }
    }
    let digest = verdicts.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(
        (JUDGE_VERSION, format!("{digest:016x}").as_str()),
        ("minilm-static-256/1", "98cb032a0dd363b5"),
        "verdicts or version changed: change JUDGE_VERSION and this line together"
    );
}
