//! Word pieces, against Hugging Face's tokenizer with the file that the vocabulary was taken from.

use tokenizers::Tokenizer;

use super::judge;

/// Hugging Face's tokenizer with the file that the vocabulary was taken from; what users write is never a special token.
fn reference() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_bytes(include_bytes!("../../data/minilm-tokenizer.json")).unwrap();
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
pub(crate) const PARTS: &[&str] = &[
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
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(bound)).unwrap()
    }

    pub(crate) fn text(&mut self) -> String {
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
