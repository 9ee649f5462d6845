//! Words of one family that share no stem: loss and lost, Tod and gestorben.

use super::inflection::Tongue;

/// By language: families, each in one line.
const FAMILIES: [(Tongue, &str); 6] = [
    (
        Tongue::English,
        "death dying died dies dead
         loss losing lose loses lost
         birth births born
         marriage marrying marries married wedding
         fight fighting fought
         theft thief thieves stealing steals stolen stole
         flight flying fly flies flew flown
         drinking drink drinks drank drunk
         eating eat eats ate eaten
         driving drive drives drove driven
         buying buy buys bought
         selling sell sells sold
         winning win wins won
         teaching teach teaches taught
         grief grieving grieve
         shooting shoot shoots shot shooter
         child children childhood
         woman women
         tooth teeth",
    ),
    (
        Tongue::German,
        "tod tot tote toten sterben stirbt starb gestorben verstorben
         verlust verlieren verliert verlor verloren
         geburt gebaren gebar geboren
         flug fliegen fliegt flog geflogen
         trinken trinkt trank getrunken
         essen isst gegessen
         abnehmen abgenommen abzunehmen abnahm
         streit streiten streitet stritt gestritten
         verbot verbieten verbietet verboten
         scheidung scheiden geschieden
         diebstahl stehlen stiehlt stahl gestohlen
         arzt arzte arztin arztinnen arztlich",
    ),
    (
        Tongue::Spanish,
        "muerte muerto muerta muere mueren morir murio murieron
         perdida perder pierde pierdo perdi perdio perdido
         nacimiento nacer nace nacio nacido nacida
         apuesta apostar aposte apuesto
         juego jugar juega",
    ),
    (
        Tongue::French,
        "mort morte mourir meurt mourut
         perte perdre perd perds perdu perdue perdant
         naissance naitre nait naquit
         vente vendre vend vendu vendue",
    ),
    (
        Tongue::Italian,
        "morte morto morta morire muore morti
         perdita perdere perde perso persa
         nascita nascere nasce nato nata",
    ),
    (
        Tongue::Portuguese,
        "morte morto morta morrer morre morreu
         perda perder perde perdi perdeu perdido
         nascimento nascer nasce nasceu nascido",
    ),
];

/// The other words of a word's family.
pub(super) fn relatives(word: &str, tongues: &[Tongue]) -> impl Iterator<Item = &'static str> {
    let families = FAMILIES
        .iter()
        .filter(|(tongue, _)| tongues.contains(tongue))
        .flat_map(|(_, families)| families.lines())
        .map(str::trim);
    let is_in = |family: &&'static str| family.contains(word) && family.split(' ').any(|other| other == word);
    let family: Vec<&str> = families.filter(is_in).collect();
    let word = word.to_owned();
    family
        .into_iter()
        .flat_map(|family| family.split(' '))
        .filter(move |other| **other != *word)
}
