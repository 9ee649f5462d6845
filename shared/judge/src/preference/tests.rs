//! What preferences are understood to mean.

use super::*;

/// `hide a, b | keep c | keep-except d | only e | hide everything`, in the order of the clauses.
fn outline(text: &str) -> String {
    let clauses = parse(text, &Languages::load());
    let outline = clauses
        .iter()
        .filter(|clause| clause.universal || !clause.topics.is_empty())
        .map(|clause| {
            let verb = match (clause.action, clause.only, clause.except_of) {
                (Action::Keep, true, _) => "only",
                (Action::Hide, ..) => "hide",
                (Action::Keep, _, None) => "keep",
                (Action::Keep, _, Some(_)) => "keep-except",
            };
            let topics: Vec<&str> = clause.topics.iter().map(|topic| topic.text.as_str()).collect();
            let object = if topics.is_empty() {
                "everything".to_owned()
            } else {
                topics.join(", ")
            };
            format!("{verb} {object}")
        });
    outline.collect::<Vec<_>>().join(" | ")
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, expected)| (text, expected, outline(text)))
        .filter(|(_, expected, actual)| *expected != actual)
        .map(|(text, expected, actual)| format!("{text}\n  expected {expected}\n  but was  {actual}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_and_scopes() {
    check(&[
        ("crypto", "hide crypto"),
        ("crypto, NFTs and get-rich-quick", "hide crypto, NFTs, get-rich-quick"),
        (
            "block: crypto, NFTs, get-rich-quick",
            "hide crypto, NFTs, get-rich-quick",
        ),
        ("hide A1, B1 and C1", "hide A1, B1, C1"),
        (
            "Hide political rants and celebrity gossip, but keep local news",
            "hide political rants, celebrity gossip | keep local news",
        ),
        ("no spoilers for the show Dark", "hide spoilers for the show Dark"),
        ("less negativity please", "hide negativity"),
        ("Less politics, more art", "hide politics | keep art"),
        ("I love football; no boxing", "keep football | hide boxing"),
        (
            "Please remove anything related to gambling and betting",
            "hide gambling, betting",
        ),
        ("hide posts about how to keep fish", "hide how to keep fish"),
        (
            "Keep:\n- cats\n- dogs\nHide:\n- snakes",
            "keep cats | keep dogs | hide snakes",
        ),
    ]);
}

#[test]
fn negations() {
    check(&[
        ("please don't hide cat pictures", "keep cat"),
        ("I don't want to see ads", "hide ads"),
        ("I don’t want you to hide sports", "keep sports"),
        ("stop showing me AI stuff", "hide AI"),
        ("stop hiding football", "keep football"),
        ("never show me horror", "hide horror"),
        ("I'm not interested in cars", "hide cars"),
        ("no need to hide sports", "keep sports"),
        ("I don't mind politics but hide war", "keep politics | hide war"),
        ("no more drama", "hide drama"),
        ("I can't get enough of puppies", "keep puppies"),
        ("I can't stand golf", "hide golf"),
        ("do not show A1 or B1", "hide A1, B1"),
    ]);
}

#[test]
fn exceptions() {
    check(&[
        (
            "I don't want to see ads or giveaways unless they are about books",
            "hide ads, giveaways | keep-except books",
        ),
        (
            "mute football and basketball but not tennis",
            "hide football, basketball | keep-except tennis",
        ),
        (
            "hide sports (except football) and politics",
            "hide sports, politics | keep-except football",
        ),
        ("show everything except politics", "keep everything | hide politics"),
        (
            "hide everything except science",
            "hide everything | keep-except science",
        ),
        (
            "hide everything that is not about science",
            "hide everything | keep-except science",
        ),
        (
            "hide posts not about gardening",
            "hide everything | keep-except gardening",
        ),
        (
            "hide everything but cats and dogs",
            "hide everything | keep-except cats, dogs",
        ),
        ("Hide sports, football is fine", "hide sports | keep football"),
    ]);
}

#[test]
fn only_means_hide_the_rest() {
    check(&[
        ("Only show me posts about gardening", "only gardening"),
        ("I only want to see running and cycling", "only running, cycling"),
        ("show me only cats", "only cats"),
        ("nothing but music", "only music"),
        (
            "just history and archaeology, nothing else",
            "only history, archaeology",
        ),
        ("Cats and dogs, nothing else", "only Cats, dogs"),
        ("I just don't want golf", "hide golf"),
        ("only hide crypto", "hide crypto"),
        ("hide only crypto", "hide crypto"),
    ]);
}

#[test]
fn remarks_are_not_topics() {
    check(&[
        ("hide spiders, I am arachnophobic", "hide spiders"),
        ("I'm a teacher. Hide politics", "hide politics"),
        ("hide ads because they are boring", "hide ads"),
        ("no swearing please, kids are watching", "hide swearing"),
        ("no nsfw please, kids use this phone", "hide nsfw"),
        ("everything about chess is a spoiler for me, hide it", "hide chess"),
    ]);
}

#[test]
fn form_of_a_post_is_no_topic() {
    check(&[
        ("hide posts not in English", "hide everything"),
        ("only English please", ""),
        ("no long posts, no politics", "hide politics"),
    ]);
}

#[test]
fn other_languages() {
    check(&[
        ("Ich will keine Werbung sehen", "hide Werbung"),
        (
            "Bitte keine Politik und keinen Fußball, aber zeig mir Katzen",
            "hide Politik, Fußball | keep Katzen",
        ),
        ("Zeig mir nur Beiträge über Musik", "only Musik"),
        (
            "Werbung bitte ausblenden, außer für Bücher",
            "hide Werbung | keep-except Bücher",
        ),
        ("No quiero ver política ni fútbol", "hide política, fútbol"),
        (
            "Oculta la publicidad pero muestra deportes",
            "hide publicidad | keep deportes",
        ),
        ("Muéstrame solo recetas", "only recetas"),
        ("Masque les publicités et la politique", "hide publicités, politique"),
        (
            "Je ne veux pas voir l'actualité sauf le sport",
            "hide actualité | keep-except sport",
        ),
        ("Nascondi la pubblicità e il gossip", "hide pubblicità, gossip"),
        ("Non voglio vedere il calcio", "hide calcio"),
        ("Não quero ver futebol", "hide futebol"),
        ("Mostre apenas receitas", "only receitas"),
        ("Je ne veux rien voir sur la guerre", "hide guerre"),
        ("Não quero nada sobre doenças", "hide doenças"),
        ("No quiero saber nada de dietas", "hide dietas"),
        ("Ich kann nichts mehr über Fußball hören", "hide Fußball"),
        ("Keine Beleidigungen und kein Hass", "hide Beleidigungen, Hass"),
        ("Montre-moi uniquement des livres", "only livres"),
        (
            "No ocultes la música, pero no me muestres horóscopos",
            "keep música | hide horóscopos",
        ),
        ("Pas de politique s'il vous plaît", "hide politique"),
        (
            "nada de coches ni motos, pero las bicicletas sí",
            "hide coches, motos | keep bicicletas",
        ),
        (
            "Pas de religion, mais les fêtes c'est bon",
            "hide religion | keep fêtes",
        ),
        (
            "Weg mit Werbung und Hetze gegen Nachbarn",
            "hide Werbung, Hetze gegen Nachbarn",
        ),
        ("Masque les bébés, c'est dur pour moi", "hide bébés"),
    ]);
}

#[test]
fn texts_without_topics_make_no_clauses() {
    for text in [
        "",
        " \n",
        "...",
        "please",
        "hide",
        "\0",
        "!!!",
        "()",
        "hide (",
        "\u{301}",
        "show everything",
    ] {
        assert!(
            parse(text, &Languages::load())
                .iter()
                .all(|clause| clause.topics.is_empty()),
            "{text:?}"
        );
    }
}
