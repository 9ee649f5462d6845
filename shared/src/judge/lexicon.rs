//! A modest lexicon of what people ask to hide: how they name a subject, and the words that give it away in a post.
//!
//! Single words and pairs (`link_in` is"link in"), in normalised form: lower case, no accents. English foremost, the
//! commonest words of German, Spanish, French, Italian and Portuguese beside it. One strong word settles that a post
//! touches the subject; weak ones only together.

use std::collections::HashMap;

use super::words::Stem;

/// One subject.
struct Sense {
    /// What preferences call it.
    names: &'static str,
    strong: &'static str,
    weak: &'static str,
}

/// What a weak word is worth; a strong one is worth 1.
const WEAK: f32 = 0.35;

/// The lexicon, ready to be looked up by stem or pair of stems.
#[derive(Debug)]
pub(super) struct Lexicon {
    names: HashMap<u64, Vec<usize>>,
}

impl Lexicon {
    pub(super) fn load() -> Self {
        let mut names: HashMap<_, Vec<_>> = HashMap::with_capacity(1024);
        for (subject, sense) in SENSES.iter().enumerate() {
            for name in sense.names.split_whitespace() {
                names.entry(key(name)).or_default().push(subject);
            }
        }
        Self { names }
    }

    /// The subjects that a word or pair of a preference names.
    pub(super) fn named(&self, key: u64) -> &[usize] {
        self.names.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// The words and pairs that give a subject away in a post, and how strongly.
pub(super) fn hints(subject: usize) -> Vec<(u64, f32)> {
    let Some(Sense { names, strong, weak }) = SENSES.get(subject) else {
        return Vec::new();
    };
    let with = |words: &'static str, strength| words.split_whitespace().map(move |word| (key(word), strength));
    with(names, 1.0)
        .chain(with(strong, 1.0))
        .chain(with(weak, WEAK))
        .collect()
}

fn key(entry: &str) -> u64 {
    match entry.split_once('_') {
        Some((first, second)) => Stem::pair(Stem::of(first), Stem::of(second)),
        None => Stem::of(entry).exact,
    }
}

const SENSES: &[Sense] = &[
    Sense {
        names: "politics political politician election government politica politico politik politisch politische \
                politique partisan geopolitics eleccion elecciones wahl wahlen elections elezioni eleicao eleicoes",
        strong: "president senator senate congress congressman parliament republican democrat democratic minister \
                 prime_minister legislation impeachment ballot voter lawmaker governor trump biden obama putin brexit \
                 conservative liberal leftist left_wing right_wing socialist fascist immigration referendum diplomat \
                 gobierno congreso diputado presidente oposicion bundestag kanzler regierung partei minister abgeordnete \
                 gouvernement depute senat reforme governo parlamento ministro deputato deputado",
        weak: "vote voted voting campaign policy bill debate party tax taxes candidate law left right country border \
               corrupt corruption nation leader protest ministry constitution supreme_court",
    },
    Sense {
        names: "crypto cryptocurrency cryptocurrencies bitcoin blockchain web3 ethereum kryptowahrung criptomoneda \
                criptomonedas cryptomonnaie criptovaluta criptomoeda",
        strong: "btc eth altcoin dogecoin solana defi hodl stablecoin satoshi binance coinbase memecoin airdrop",
        weak: "token coin wallet mint minting mining miner ledger to_moon",
    },
    Sense {
        names: "nft nfts",
        strong: "opensea non_fungible",
        weak: "mint minting eth collection drop floor_price",
    },
    Sense {
        names: "get_rich rich_quick quick_money easy_money mlm pyramid_scheme hustle hustle_culture money_making scam scams",
        strong: "passive_income financial_freedom side_hustle quit_your from_home dm_me be_your make_money earn_money \
                 easy_money six_figure get_rich money_online",
        weak: "earn income profit invest investing millionaire week opportunity dm secret guaranteed wealth rich",
    },
    Sense {
        names: "ad ads advert advertisement advertising advertise commercial promo promotion promotional sponsored \
                sponsorship marketing spam giveaway werbung reklame anzeige publicidad anuncio anuncios publicite pub \
                publicites pubblicita annunci propaganda shilling",
        strong: "sponsored promo discount coupon voucher use_code promo_code link_in free_shipping limited_time \
                 shop_now order_now buy_now sale_now special_offer limited_offer black_friday affiliate rabatt angebot \
                 gutschein descuento oferta rebaja code_promo offre_limitee sconto offerta acquista desconto compre \
                 jetzt_kaufen giveaway sweepstake tag_two tag_a retweet_to",
        weak: "code off sale offer deal buy shop order store win free price today_only brand percent exclusive bio \
               subscribe follow checkout solo_oggi nur_heute kaufen profitez soldes achetez compra product",
    },
    Sense {
        names: "giveaway giveaways contest raffle sweepstake gewinnspiel sorteo concours concorso sorteio",
        strong: "giveaway raffle sweepstake to_win tag_two tag_a retweet_to enter_to gewinnspiel sorteo",
        weak: "win prize tag follow like retweet winner free",
    },
    Sense {
        names: "spoiler spoilers spoilern spoil",
        strong: "finale ending plot_twist series_finale last_episode season_finale dies_in",
        weak: "episode season ends end death killed dies character twist scene reveal finished",
    },
    Sense {
        names: "gossip celebrity celebrities celeb celebs famous showbiz tabloid paparazzi klatsch promi promis \
                chisme chismes cotilleo celebridad famoso famosos potins celebrites pettegolezzi vip fofoca famosos",
        strong: "kardashian paparazzi red_carpet hollywood kanye beyonce rihanna bieber jolie kim_k royal_family \
                 celebrity reality_star movie_star pop_star",
        weak: "star actor actress singer ex spotted divorce dating rumor rumour affair breakup couple wedding married \
               marriage baby_bump model",
    },
    Sense {
        names: "sport sports athletics deporte deportes esporte esportes sportif sportart",
        strong: "football soccer basketball baseball tennis hockey rugby cricket golf nba nfl mlb nhl fifa uefa olympic \
                 championship playoff world_cup world_series champions_league premier_league super_bowl grand_prix \
                 touchdown quarterback goalkeeper halftime pole_position formula_one marathon boxing ufc wrestling \
                  ",
        weak: "match team game league coach goal score cup win tournament player season final stadium athlete race \
               inning referee medal",
    },
    Sense {
        names: "football soccer futbol fussball futebol calcio foot",
        strong: "goalkeeper premier_league champions_league world_cup fifa uefa la_liga bundesliga serie_a golazo messi \
                 ronaldo mbappe arsenal chelsea liverpool barcelona juventus touchdown nfl super_bowl \
                 quarterback penalty_kick midfielder",
        weak: "goal match league team striker defender derby kick stadium coach cup score partido gol jogo",
    },
    Sense {
        names: "basketball nba",
        strong: "nba lebron celtics curry slam_dunk playoff warriors",
        weak: "points rebound court team coach game season",
    },
    Sense {
        names: "tennis",
        strong: "wimbledon grand_slam djokovic nadal federer alcaraz roland_garros us_open",
        weak: "set match serve court racket final",
    },
    Sense {
        names: "boxing mma ufc fighting wrestling",
        strong: "heavyweight knockout knocks_out boxer ufc mma uppercut title_fight wrestler",
        weak: "round fight champion punch ring belt",
    },
    Sense {
        names: "violence violent gore gory blood bloody brutality gewalt violencia violenza",
        strong: "stabbed stabbing murder murdered shooting gunman beheaded massacre bloodshed torture assault homicide \
                 slaughter corpse mutilated wounded",
        weak: "killed kill dead blood attack weapon gun knife victim death beaten graphic injured crime police shot",
    },
    Sense {
        names: "war wars krieg guerra guerre military conflict",
        strong: "missile missiles airstrike soldier troop troops army invasion bombing bombed frontline front_line \
                 ceasefire artillery drone_strike casualties civilians_killed occupation warfare ukraine gaza",
        weak: "killed attack city border weapon bomb civilian hit strike battle",
    },
    Sense {
        names: "negativity negative complaint complaining complain whining ranting rant drama toxic pessimism doom \
                doomscrolling hate hateful angry anger outrage depressing negativitat negatividad negativite",
        strong: "hate awful terrible horrible miserable disgusting pathetic worst furious sucks despise useless \
                 hopeless worthless disgrace garbage cant_stand fed_up",
        weak: "stupid idiot sad bad angry ruined destroying ashamed never nothing annoying sick dumb corrupt",
    },
    Sense {
        names: "nsfw porn porno pornography sexual sex sexy nude nudity nudes explicit erotic adult_content lewd onlyfans",
        strong: "nude nudes naked onlyfans porn xxx horny sexy erotic nsfw fetish hookup escort camgirl 18_only",
        weak: "hot body adult strip bed kiss 18",
    },
    Sense {
        names: "swearing profanity cursing swear vulgar obscene curse_word foul_language bad_language",
        strong: "fuck fucking fucked shit shitty bitch bastard asshole motherfucker bullshit cunt dick wtf damn goddamn",
        weak: "hell crap ass",
    },
    Sense {
        names: "religion religious religions church christian christianity islam muslim catholic faith bible preaching \
                kirche iglesia religiosa religioso religieux religioso chiesa igreja",
        strong: "jesus christ bible gospel sermon prayer scripture quran allah mosque saviour savior priest pastor psalm \
                 worship salvation god_bless holy_spirit pope vatican synagogue",
        weak: "god lord pray faith church soul blessed blessing sunday heaven sin",
    },
    Sense {
        names: "ai artificial_intelligence chatgpt llm llms machine_learning openai ki inteligencia_artificial ia \
                intelligence_artificielle intelligenza_artificiale",
        strong: "chatgpt openai gpt llm claude gemini midjourney language_model neural_network machine_learning \
                 deep_learning chatbot artificial_intelligence stable_diffusion copilot anthropic deepfake",
        weak: "model prompt benchmark generated automation robot trained algorithm",
    },
    Sense {
        names: "diet diets dieting weight_loss losing_weight calorie calories fasting diat dieta regime fat_loss lose_weight",
        strong: "keto calorie calories intermittent_fasting low_carb lose_weight weight_loss slimming diet dieting \
                 fat_loss bmi ozempic",
        weak: "carb carbs pound pounds kg weight fat scale meal fasting lean",
    },
    Sense {
        names: "alcohol drinking drunk booze beer wine alkohol cerveza alcool",
        strong: "beer beers wine whisky whiskey vodka cocktail tequila champagne hangover tipsy gin rum booze brewery",
        weak: "drunk bar pub bottle party glass shot toast drink",
    },
    Sense {
        names: "gambling betting casino lottery glucksspiel apuesta apuestas jeux_argent scommesse aposta apostas",
        strong: "casino sportsbook parlay jackpot poker roulette free_spins slot_machine bookmaker wager lottery \
                 blackjack betting",
        weak: "bet odds win spin slots stake payout",
    },
    Sense {
        names: "covid corona coronavirus pandemic vaccine vaccines vaccination impfung vacuna vaccin vaccino vacina",
        strong: "covid vaccine vaccinated vaccination booster lockdown pfizer moderna omicron antivax quarantine",
        weak: "shot mask virus cases hospital dose infection",
    },
    Sense {
        names: "clickbait click_bait",
        strong: "wont_believe what_happened one_trick doctors_hate dont_want shocking",
        weak: "secret trick believe happened next reasons amazing hate top number",
    },
    Sense {
        names: "horoscope horoscopes astrology astrological zodiac tarot horoskop horoscopo oroscopo astrologie \
                astrologia star_sign",
        strong: "retrograde horoscope zodiac scorpio sagittarius capricorn aquarius pisces taurus gemini virgo libra \
                 star_sign birth_chart tarot",
        weak: "aries leo mercury moon sign stars",
    },
    Sense {
        names: "layoff layoffs economy economic recession inflation unemployment finance financial stock stocks \
                stock_market wirtschaft economia economie",
        strong: "layoff laying_off laid_off recession inflation unemployment gdp interest_rate job_cuts dow_jones \
                 nasdaq stock_market federal_reserve bankruptcy",
        weak: "stock market percent jobs workers economy growth price cut rate bank",
    },
    Sense {
        names: "job_hunting job_search linkedin career careers motivation motivational hustle self_promotion recruiting",
        strong: "recruiter recruiters resume linkedin new_position new_role thrilled_to open_to hiring job_offer \
                 looking_for job_interview never_give",
        weak: "job career position manager hustle dream success grind growth leader interview excited announce cv",
    },
    Sense {
        names: "science scientific research scientist physics astronomy biology chemistry wissenschaft ciencia science \
                scienza",
        strong: "physicist astronomer researcher scientist nasa cern telescope genome molecule quantum biologist \
                 exoplanet galaxy mrna dna experiment neuroscience fossil laboratory peer_reviewed hypothesis",
        weak: "study paper measured vaccine cell atmosphere discovery data theory species evidence immune",
    },
    Sense {
        names: "space astronomy nasa weltraum espacio espace spazio espaco cosmos",
        strong: "nasa spacex astronaut rocket orbit satellite telescope galaxy jupiter mars saturn exoplanet asteroid \
                 comet astronomer spacecraft lunar",
        weak: "launch probe moon planet star mission",
    },
    Sense {
        names: "climate global_warming environment environmental klima clima climat",
        strong: "climate carbon emission emissions global_warming greenhouse fossil_fuel renewable greta sea_level",
        weak: "temperature heat wildfire drought record weather",
    },
    Sense {
        names: "garden gardening gardener plant plants garten jardineria jardinage giardinaggio jardinagem",
        strong: "garden tomato seedling compost mulch prune pruning perennial greenhouse flowerbed potting \
                 watering raised_bed weeds",
        weak: "plant rose roses flower soil seed seeds seedlings vegetable bloom bulb herb leaf harvest water lawn",
    },
    Sense {
        names: "cooking cook recipe recipes baking food kochen rezept rezepte cocina receta recetas cuisine recette \
                recettes cucina ricetta receita",
        strong: "recipe oven simmer saute bake baking roasted sourdough stir_fry marinade preheat roast",
        weak: "cook soup cheese rice pasta sauce onion garlic butter bread dish flavor taste delicious cake",
    },
    Sense {
        names: "food foods eating meal meals restaurant restaurants essen comida nourriture bouffe cibo",
        strong: "burger pizza pasta sushi steak dinner lunch brunch breakfast delicious yummy dessert fries ramen taco",
        weak: "cheese cooked eat recipe tasty sauce chicken cake chocolate restaurant",
    },
    Sense {
        names: "fashion clothes outfit outfits style mode moda beauty makeup",
        strong: "handbag handbags versace gucci prada couture runway outfit lipstick makeup chanel dior vogue streetwear",
        weak: "wear dress style shoes season look designer collection jacket vintage",
    },
    Sense {
        names: "film films movie movies cinema series tv show pelicula peliculas kino filme",
        strong: "film movie trailer sequel director netflix cinema box_office screenplay",
        weak: "watched scene actor episode season",
    },
    Sense {
        names: "horror scary creepy horrorfilm terror",
        strong: "horror demon demons slasher haunted zombie possessed jump_scare",
        weak: "scary blood terrifying ghost nightmare creepy",
    },
    Sense {
        names: "game games gaming video_game videogames videospiele videojuegos",
        strong: "video_game gamer playstation xbox nintendo minecraft fortnite speedrun esports multiplayer",
        weak: "game level console boss controller play player",
    },
    Sense {
        names: "travel travelling vacation vacations holiday holidays bragging reisen viaje viajes voyage viaggio viagem",
        strong: "first_class wanderlust maldives itinerary backpacking resort",
        weak: "passport flight island beach hotel trip airport cocktail tour",
    },
    Sense {
        names: "miscarriage baby_loss stillbirth pregnancy_loss infant_loss",
        strong: "miscarriage stillborn stillbirth rainbow_baby",
        weak: "loss baby pain pregnancy grief",
    },
    Sense {
        names: "death deaths grief dying suicide self_harm",
        strong: "funeral suicide self_harm obituary passed_away cemetery",
        weak: "died dead death grief mourning lost loss rip",
    },
    Sense {
        names: "local town village neighbourhood neighborhood lokal lokale lokalnachrichten local_news locales locale",
        strong: "city_council town_hall main_street neighbourhood neighborhood road_works mayor village",
        weak: "town council library bridge road street county station school residents community local city",
    },
    Sense {
        names: "art arts painting kunst arte artwork drawing",
        strong: "painting watercolor watercolour sculpture gallery exhibition rembrandt picasso monet sketch canvas",
        weak: "museum drawing artist paint brush portrait",
    },
    Sense {
        names: "book books reading literature novel bucher libro libros livre livres libri livro livros",
        strong: "novel bookshop paperback author memoir bookstore hardcover",
        weak: "read reading chapter writer story signed copy library",
    },
];
