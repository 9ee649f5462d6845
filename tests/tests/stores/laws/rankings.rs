//! Rankings combined into one: laws, over random rankings.

use proptest::prelude::*;

use shared::rank::aggregate::combine;

fn is_permutation(order: &[usize], items: usize) -> bool {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..items)
}

fn reversed(rankings: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let reverse = |ranking: &Vec<usize>| ranking.iter().rev().copied().collect();
    rankings.iter().map(reverse).collect()
}

/// In how many rankings two items stand the other way round, over all pairs.
fn cost(order: &[usize], rankings: &[Vec<usize>]) -> usize {
    let after = |place: usize| order[place + 1..].iter().map(move |other| (order[place], *other));
    let rank = |ranking: &[usize], item: usize| ranking.iter().position(|other| *other == item);
    let disagrees = |(one, other): (usize, usize)| {
        let against = rankings
            .iter()
            .filter(|ranking| rank(ranking, other) < rank(ranking, one));
        against.count()
    };
    (0..order.len()).flat_map(after).map(disagrees).sum()
}

/// One to five rankings of up to so many items.
fn rankings(most: usize) -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1..=most).prop_flat_map(|items| {
        let ranking = Just((0..items).collect::<Vec<_>>()).prop_shuffle();
        proptest::collection::vec(ranking, 1..=5)
    })
}

fn all_orders(items: usize) -> Vec<Vec<usize>> {
    if items == 0 {
        return vec![Vec::new()];
    }
    let insert = |order: Vec<usize>| {
        (0..=order.len()).map(move |place| {
            let mut longer = order.clone();
            longer.insert(place, items - 1);
            longer
        })
    };
    all_orders(items - 1).into_iter().flat_map(insert).collect()
}

proptest! {
    #[test]
    fn a_consensus_has_each_item_once_with_a_score_and_an_agreement_in_bounds(rankings in rankings(20)) {
        let consensus = combine(&rankings);
        prop_assert!(is_permutation(&consensus.order, rankings[0].len()));
        prop_assert!(consensus.scores.iter().all(|score| (0.0..=1.0).contains(score)));
        prop_assert!((-1.0..=1.0).contains(&consensus.agreement));
    }

    #[test]
    fn one_ranking_is_its_own_consensus(rankings in rankings(20)) {
        let consensus = combine(&rankings[..1]);
        prop_assert_eq!(&consensus.order, &rankings[0]);
        prop_assert!((consensus.agreement - 1.0).abs() < 1e-9);
        prop_assert!(consensus.order.windows(2).all(|two| consensus.scores[two[0]] > consensus.scores[two[1]]));
    }

    #[test]
    fn the_order_of_the_rankings_changes_nothing(rankings in rankings(12)) {
        let mut turned = rankings.clone();
        turned.rotate_left(1);
        let (one, other) = (combine(&rankings), combine(&turned));
        prop_assert_eq!(one.order, other.order);
        prop_assert_eq!(one.scores, other.scores);
        prop_assert!((one.agreement - other.agreement).abs() < 1e-9);
    }

    #[test]
    fn no_order_disagrees_less_than_an_exact_consensus(rankings in rankings(5)) {
        let order = combine(&rankings).order;
        let least = all_orders(order.len()).iter().map(|other| cost(other, &rankings)).min();
        prop_assert_eq!(Some(cost(&order, &rankings)), least);
    }

    #[test]
    fn reversing_every_ranking_reverses_the_consensus_where_one_order_alone_is_best(rankings in rankings(5)) {
        let turned = reversed(&rankings);
        let (one, other) = (combine(&rankings), combine(&turned));
        let mut back = other.order.clone();
        back.reverse();
        let least = cost(&one.order, &rankings);
        prop_assert_eq!(cost(&back, &rankings), least);
        let best = all_orders(back.len()).iter().filter(|order| cost(order, &rankings) == least).count();
        prop_assert!(best > 1 || back == one.order);
        for (one, other) in one.scores.iter().zip(&other.scores).filter(|_| back.len() > 1) {
            prop_assert!((one + other - 1.0).abs() < 1e-9);
        }
        prop_assert!((one.agreement - other.agreement).abs() < 1e-9);
    }

    #[test]
    fn two_opposite_rankings_agree_on_nothing_and_every_score_is_a_half(rankings in rankings(20)) {
        prop_assume!(rankings[0].len() > 1);
        let opposite = [rankings[0].clone(), reversed(&rankings[..1]).remove(0)];
        let consensus = combine(&opposite);
        prop_assert!((consensus.agreement + 1.0).abs() < 1e-9);
        prop_assert!(consensus.scores.iter().all(|score| (score - 0.5).abs() < 1e-9));
        prop_assert!(consensus.order.into_iter().eq(0..rankings[0].len()));
    }
}

#[test]
fn a_majority_decides_each_pair_unless_that_makes_a_circle() {
    let order = |rankings: [[usize; 3]; 3]| combine(&rankings.map(|ranking| ranking.to_vec())).order;
    assert_eq!(order([[0, 1, 2], [1, 0, 2], [1, 2, 0]]), [1, 0, 2]);
    // 0 before 1, 1 before 2, 2 before 0: three orders are as good, and the smallest is taken.
    assert_eq!(order([[0, 1, 2], [1, 2, 0], [2, 0, 1]]), [0, 1, 2]);
}
