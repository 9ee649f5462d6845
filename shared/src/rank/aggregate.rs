//! Rankings of the same items combined into one: exactly (Kemeny) for few items, by mean rank (Borda) for more.
//!
//! Items are numbers from 0 on. Where two orders are as good, the item with the smaller number comes first.

/// The most items that are ranked exactly: 2^8 sets of them are looked at.
pub const MOST_EXACT: usize = 8;

/// The one ranking that several are combined into.
#[derive(Debug, Clone, PartialEq)]
pub struct Consensus {
    /// The items, best first.
    pub order: Vec<usize>,
    /// By item: 1 if every ranking has it first, 0 if every one has it last.
    pub scores: Vec<f64>,
    /// The mean of Kendall's tau over all pairs of rankings, -1..=1; 1 for a single one.
    pub agreement: f64,
}

/// Combines rankings, each of which has every item once, best first.
#[must_use]
pub fn combine(rankings: &[Vec<usize>]) -> Consensus {
    let items = rankings.first().map_or(0, Vec::len);
    let ranks: Vec<Vec<usize>> = rankings.iter().map(|ranking| ranks(ranking)).collect();
    let totals: Vec<usize> = (0..items)
        .map(|item| ranks.iter().map(|ranks| ranks[item]).sum())
        .collect();
    let order = if items <= MOST_EXACT {
        kemeny(&disagreements(items, &ranks))
    } else {
        let mut order: Vec<usize> = (0..items).collect();
        order.sort_by_key(|item| totals[*item]);
        order
    };
    let most = ratio(rankings.len() * items.saturating_sub(1), 1).max(1.0);
    let scores = totals.iter().map(|total| 1.0 - ratio(*total, 1) / most);
    Consensus {
        order,
        scores: scores.collect(),
        agreement: agreement(&ranks),
    }
}

/// By item, its rank from 0 on.
fn ranks(ranking: &[usize]) -> Vec<usize> {
    let mut ranks = vec![0; ranking.len()];
    for (rank, item) in ranking.iter().enumerate() {
        ranks[*item] = rank;
    }
    ranks
}

/// For each pair of items, how many rankings have the second before the first: what it costs to put the first before the second.
fn disagreements(items: usize, ranks: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let against = |one: usize, other: usize| ranks.iter().filter(|ranks| ranks[other] < ranks[one]).count();
    (0..items)
        .map(|one| (0..items).map(|other| against(one, other)).collect())
        .collect()
}

/// The order with the fewest disagreements (Kemeny 1959): of each set of items that may still be placed, the least cost. Sets are
/// bits of a number.
fn kemeny(costs: &[Vec<usize>]) -> Vec<usize> {
    let items = costs.len();
    let members = |set: usize| (0..items).filter(move |item| set & (1 << item) != 0);
    let first = |item: usize, set: usize| members(set).map(|other| costs[item][other]).sum::<usize>();
    let mut least = vec![0; 1 << items];
    for set in 1..least.len() {
        let costs = members(set).map(|item| first(item, set) + least[set & !(1 << item)]);
        least[set] = costs.min().unwrap_or(0);
    }
    let mut order = Vec::with_capacity(items);
    let mut set = least.len() - 1;
    while let Some(item) = members(set).find(|item| first(*item, set) + least[set & !(1 << item)] == least[set]) {
        order.push(item);
        set &= !(1 << item);
    }
    order
}

/// Kendall's tau of two rankings without ties: of all pairs of items, the share in one order less that in opposite ones.
fn tau(one: &[usize], other: &[usize]) -> f64 {
    let items = one.len();
    let pairs = (0..items).flat_map(|first| (first + 1..items).map(move |second| (first, second)));
    let agreed = pairs.filter(|(first, second)| (one[*first] < one[*second]) == (other[*first] < other[*second]));
    let all = items * items.saturating_sub(1) / 2;
    2.0 * ratio(agreed.count(), all.max(1)) - 1.0
}

fn agreement(ranks: &[Vec<usize>]) -> f64 {
    let pairs = ranks
        .iter()
        .enumerate()
        .flat_map(|(place, one)| ranks[place + 1..].iter().map(move |other| tau(one, other)));
    let (sum, count) = pairs.fold((0.0, 0), |(sum, count), tau| (sum + tau, count + 1));
    if count == 0 { 1.0 } else { sum / ratio(count, 1) }
}

#[expect(clippy::cast_precision_loss, reason = "ranks of a few items")]
fn ratio(some: usize, all: usize) -> f64 {
    some as f64 / all as f64
}

/// The place of the ranking that is nearest to `order`, the first of several.
#[must_use]
pub fn nearest(order: &[usize], rankings: &[Vec<usize>]) -> Option<usize> {
    let whole = ranks(order);
    let nearness = |ranking: &Vec<usize>| tau(&whole, &ranks(ranking));
    let taus: Vec<f64> = rankings.iter().map(nearness).collect();
    let most = taus.iter().copied().fold(f64::MIN, f64::max);
    taus.iter().position(|tau| *tau >= most)
}
