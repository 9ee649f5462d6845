//! Chance that is the same for the same seed: a run that fails can be run again.

/// Throws the same numbers each time.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Those of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// One of `0..sides` (Knuth's generator; its high bits are the good ones).
    pub const fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let place = usize::try_from(self.roll(choices.len() as u64)).expect("a place in memory");
        &choices[place]
    }
}
