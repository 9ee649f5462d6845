//! The meanings of preferences.

use super::*;

/// `hide a, b | keep c | keep-except d | only e | hide everything`, in the order of the clauses.
fn outline(text: &str) -> String {
    let (clauses, _) = parse(text, &Languages::load());
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
            "Bitte blende Fußball nicht aus, aber versteck alles über Autos",
            "hide Autos | keep Fußball",
        ),
        (
            "Weg mit Werbung und Hetze gegen Nachbarn",
            "hide Werbung, Hetze gegen Nachbarn",
        ),
        ("Masque les bébés, c'est dur pour moi", "hide bébés"),
    ]);
}

#[test]
fn wishes_with_two_sides_are_read_as_meant() {
    check(&[
        (
            "NOT interested in football, ok with tennis",
            "hide football | keep tennis",
        ),
        ("football no, tennis yes", "hide football | keep tennis"),
        ("tennis yes, football no", "keep tennis | hide football"),
        ("less football more tennis", "hide football | keep tennis"),
        ("more tennis less football", "keep tennis | hide football"),
        ("I want less football and more tennis", "hide football | keep tennis"),
        ("-football +tennis", "hide football | keep tennis"),
        ("+tennis -football", "keep tennis | hide football"),
        ("🚫 football", "hide football"),
        ("🚫 football ✅ tennis", "hide football | keep tennis"),
        ("football 🚫, tennis ✅", "hide football | keep tennis"),
        ("❌football, politics", "hide football, politics"),
        ("👍 cats", "keep cats"),
        ("no more football", "hide football"),
        ("more football", "keep football"),
        (
            "hide football but keep anything about the women's team",
            "hide football | keep women's team",
        ),
        ("only show me tennis", "only tennis"),
        ("kein Basketball, Tennis ja", "hide Basketball | keep Tennis"),
        ("Tennis ja, Basketball nein", "keep Tennis | hide Basketball"),
        ("weniger Fußball, mehr Tennis", "hide Fußball | keep Tennis"),
        ("keine Politik mehr", "hide Politik"),
        ("Ich will keine Politik mehr sehen", "hide Politik"),
        ("fútbol no, tenis sí", "hide fútbol | keep tenis"),
        ("más cine, menos política", "keep cine | hide política"),
        ("no quiero más fútbol", "hide fútbol"),
        ("plus de foot, mais le judo oui", "hide foot | keep judo"),
        ("plus de sport, moins de politique", "keep sport | hide politique"),
        ("je veux plus voir de politique", "hide politique"),
        ("je ne veux plus voir de politique", "hide politique"),
        ("je veux voir de la politique", "keep politique"),
        ("j'en ai marre du foot", "hide foot"),
        ("ras-le-bol du foot, vive le judo", "hide foot, vive le judo"),
        ("chega de futebol", "hide futebol"),
        ("🐍🐍 NO. just no", "hide 🐍"),
        ("apuestas 🎰 casino, bet365", "hide apuestas, 🎰, casino, bet365"),
        ("hide crypto 🙏", "hide crypto"),
        (
            "arañas y serpientes 🐍 (Spiderman vale)",
            "hide arañas, serpientes, 🐍 | keep Spiderman",
        ),
        (
            "gym bros, #fitfam — physio exercises are ok",
            "hide gym bros, #fitfam | keep physio exercises",
        ),
        (
            "horror, gore; NOT Scooby-Doo lol",
            "hide horror, gore | keep-except Scooby-Doo",
        ),
        ("true crime. Except Casefile", "hide true crime | keep-except Casefile"),
        (
            "Aufhör-Tipps ja bitte, rauchen nein danke",
            "keep Aufhör-Tipps | hide rauchen",
        ),
        ("solo moto, F1 e formula uno mai", "only moto | hide F1, formula uno"),
        (
            "Love Island, the Bachelor. Bake Off is fine",
            "hide Love Island, Bachelor | keep Bake Off",
        ),
        (
            "PETA, vegan activists, but weather and machinery ok",
            "hide PETA, vegan activists | keep weather, machinery",
        ),
        (
            "que du vélo et de la rando, le reste m'intéresse pas",
            "only vélo, rando",
        ),
        (
            "sertanejo não, por favor. MPB e samba à vontade",
            "hide sertanejo | keep MPB, samba",
        ),
        (
            "Gülle, \"Bauern vergiften uns\". Erntebilder und Traktoren gern",
            "hide Gülle, Bauern vergiften uns | keep Erntebilder, Traktoren",
        ),
        (
            "Vox, Puigdemont... la política me quita el sueño",
            "hide Vox, Puigdemont | hide política",
        ),
        (
            "hide posts about pets dying, I lost my dog in march. happy dog pics are very welcome tho",
            "hide pets dying | keep happy dog",
        ),
        ("hide dementia, my mum has just been diagnosed", "hide dementia"),
        ("mais futebol, menos política", "keep futebol | hide política"),
        ("não quero mais ver futebol", "hide futebol"),
        ("futebol não, vôlei sim", "hide futebol | keep vôlei"),
        ("basta calcio", "hide calcio"),
        ("calcio no, tennis sì", "hide calcio | keep tennis"),
        ("più musica, meno calcio", "keep musica | hide calcio"),
        ("non voglio più vedere il calcio", "hide calcio"),
    ]);
}

#[test]
fn what_is_quoted_or_has_signs_is_one_topic_as_it_is_written() {
    check(&[
        (
            r#""AI" "C++" ".net" "9/11" "star wars" "andor""#,
            "hide AI, C++, .net, 9/11, star wars, andor",
        ),
        ("C++, .net, 9/11 and R&B", "hide C++, .net, 9/11, R&B"),
        ("#metoo #crypto", "hide #metoo, #crypto"),
        ("hide nytimes.com and www.bild.de", "hide nytimes.com, www.bild.de"),
        ("no „Tatort“, no «Dark»", "hide Tatort, Dark"),
        (r#"hide the show "Dark""#, "hide Dark"),
        ("Trump / Biden / Vance / Harris", "hide Trump, Biden, Vance, Harris"),
        ("Trump/Biden/Vance", "hide Trump, Biden, Vance"),
        ("it's 'the end', don't", "hide the end"),
        ("no politics.No sports.", "hide politics | hide sports"),
    ]);
}

#[test]
fn remarks_about_oneself_are_no_topics_in_any_language() {
    check(&[
        ("I'm a nurse and work nights, no medical stuff please", "hide medical"),
        ("no football. I have enough of it at home", "hide football"),
        ("Ich bin Lehrerin, bitte keine Politik", "hide Politik"),
        ("soy enfermera, nada de hospitales", "hide hospitales"),
        ("je suis prof, pas de politique", "hide politique"),
        ("sono un medico, niente calcio", "hide calcio"),
        ("sou professora, chega de política", "hide política"),
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
                .0
                .iter()
                .all(|clause| clause.topics.is_empty()),
            "{text:?}"
        );
    }
}
