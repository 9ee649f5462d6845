//! The verdicts on single posts, and their reasons.

use judge::HIDE_FROM;

use super::judge;
use super::texts::{PARTS, Random};

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
        ("no politics", "The election debate in the senate was a disgrace", true),
        (
            "show everything except politics",
            "The election debate in the senate was a disgrace",
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
    check(&cases);
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

/// Per language: a preference of two clauses, a post that each of them decides, and the clause in its writer's words.
#[test]
fn opinion_names_the_clause_in_six_languages() {
    let cases = [
        (
            "Hide crypto and gambling",
            "Bitcoin hits a new high, crypto is back",
            "crypto",
        ),
        (
            "Hide crypto and gambling",
            "The casino gave me 50 free spins on the slots",
            "gambling",
        ),
        (
            "Keine Politik und keine Werbung",
            "Bundestag: Koalition und Opposition streiten vor der Wahl",
            "Politik",
        ),
        (
            "Keine Politik und keine Werbung",
            "Werbung: -20 % mit meinem Rabattcode",
            "Werbung",
        ),
        (
            "Oculta el fútbol y los terremotos",
            "Golazo del Real Madrid en el último minuto",
            "fútbol",
        ),
        (
            "Oculta el fútbol y los terremotos",
            "Un terremoto de magnitud 6,8 deja muertos",
            "terremotos",
        ),
        (
            "Masque la politique et les pubs",
            "Macron a dissous l'Assemblée nationale",
            "politique",
        ),
        (
            "Masque la politique et les pubs",
            "-20 % avec mon code promo, lien en bio",
            "pubs",
        ),
        (
            "Nascondi il calcio e gli oroscopi",
            "Doppietta di Lautaro, il derby è dell'Inter",
            "calcio",
        ),
        (
            "Nascondi il calcio e gli oroscopi",
            "Oroscopo: settimana d'amore per lo Scorpione",
            "oroscopi",
        ),
        (
            "Esconda política e tiroteios",
            "Lula e Bolsonaro no debate da eleição",
            "política",
        ),
        (
            "Esconda política e tiroteios",
            "Tiroteio na avenida deixa três feridos",
            "tiroteios",
        ),
    ];
    let judge = judge();
    for (preference, post, clause) in cases {
        let opinion = judge.opinion(&judge.read(preference), post);
        assert!(opinion.score >= HIDE_FROM, "{preference:?} {post:?} {opinion:?}");
        assert_eq!(
            opinion.matched.as_deref(),
            Some(clause),
            "{preference:?} {post:?} {opinion:?}"
        );
    }
}

#[test]
fn names_are_found_spelled_apart_and_together_and_by_other_names() {
    let cases = [
        ("hide Taylor Swift", "Taylor Swift announces a new tour", true),
        ("hide Taylor Swift", "tickets for #TaylorSwift are gone", true),
        ("hide TaylorSwift", "Taylor Swift announces a new tour", true),
        ("hide Taylor Swift", "A swift answer from my tailor", false),
        ("hide Manchester United", "#MUFC lost again at Old Trafford", true),
        ("hide Manchester United", "United Airlines has lost my bag", false),
        ("Niente Juventus", "La Juve cambia allenatore", true),
        ("Cache tout sur le PSG", "Le PSG gagne au Parc des Princes", true),
        ("Nada do Flamengo", "Mengão campeão de novo", true),
        (
            "hide Zorblatt Gromenauer",
            "Saw #ZorblattGromenauer live last night",
            true,
        ),
    ];
    check(&cases);
}

#[test]
fn negations_exceptions_and_scope_hold_in_six_languages() {
    let cases = [
        (
            "don't hide football, just hide betting",
            "What a goal in the football final!",
            false,
        ),
        (
            "hide football except the World Cup",
            "The World Cup final was a great football match",
            false,
        ),
        (
            "Bitte blende Fußball nicht aus",
            "Was für ein Tor im Fußballspiel, Bundesliga pur",
            false,
        ),
        (
            "Kein Sport, außer Tennis",
            "Was für ein Tennisfinale in Wimbledon",
            false,
        ),
        (
            "Kein Sport, außer Tennis",
            "Elfmeter, Tor, Abpfiff: Fußball in der Bundesliga",
            true,
        ),
        ("No ocultes la política", "El Congreso vota la ley del gobierno", false),
        ("Sin deportes, salvo tenis", "Final de tenis en Wimbledon", false),
        (
            "nada de coches, pero las bicicletas sí",
            "Le he puesto alforjas nuevas a la bicicleta",
            false,
        ),
        (
            "Ne cache pas la politique",
            "Macron parle à l'Assemblée nationale",
            false,
        ),
        (
            "Pas de sport sauf le rugby",
            "Le rugby français gagne le tournoi",
            false,
        ),
        ("Non nascondere la politica", "Il governo Meloni alla Camera", false),
        (
            "Niente sport, tranne il tennis",
            "Sinner vince la finale di tennis",
            false,
        ),
        ("Não esconda política", "Lula discursa no Congresso", false),
        ("Sem esportes, exceto tênis", "Final de tênis em Wimbledon", false),
        (
            "Sem esportes, exceto tênis",
            "Golaço no futebol, vitória do Flamengo",
            true,
        ),
    ];
    check(&cases);
}

fn check(cases: &[(&str, &str, bool)]) {
    let judge = judge();
    let wrong: Vec<String> = cases
        .iter()
        .map(|(preference, post, hidden)| (preference, post, hidden, judge.opinion(&judge.read(preference), post)))
        .filter(|(.., hidden, opinion)| (opinion.score >= HIDE_FROM) != **hidden)
        .map(|(preference, post, _, opinion)| format!("{preference:?} {post:?} {opinion:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
