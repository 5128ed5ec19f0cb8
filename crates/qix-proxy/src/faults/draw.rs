//! Chance that comes out the same for the same seed.

use fastrand::Rng;

/// What is decided by chance; each has dice of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Strike = 1,
    Delay,
    Trace,
}

/// Returns the dice for one decision: they depend on nothing but what is given.
pub(super) fn dice(seed: u64, rule: usize, connection: u64, call: u64, purpose: Purpose) -> Rng {
    let mixed = [rule as u64, connection, call, purpose as u64].into_iter().fold(seed, mix);
    Rng::with_seed(mixed)
}

/// Returns a number for a path that is the same in every run and every build.
pub(super) fn path_number(path: &str) -> u64 {
    path.as_bytes().chunks(8).fold(path.len() as u64, |sum, chunk| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        mix(sum, u64::from_le_bytes(eight))
    })
}

pub(super) fn mix(sum: u64, next: u64) -> u64 {
    Rng::with_seed(sum ^ next.wrapping_mul(0x9e37_79b9_7f4a_7c15)).u64(..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_fair_and_differ_by_everything_they_depend_on() {
        let strikes = (0..10_000).filter(|call| dice(1, 0, 0, *call, Purpose::Strike).f64() < 0.25).count();
        assert!((2300..2700).contains(&strikes), "{strikes}");
        let all = [
            dice(1, 2, 3, 4, Purpose::Strike),
            dice(2, 2, 3, 4, Purpose::Strike),
            dice(1, 3, 3, 4, Purpose::Strike),
            dice(1, 2, 4, 4, Purpose::Strike),
            dice(1, 2, 3, 5, Purpose::Strike),
            dice(1, 2, 3, 4, Purpose::Delay),
        ];
        let drawn: std::collections::HashSet<u64> = all.into_iter().map(|mut dice| dice.u64(..)).collect();
        assert_eq!(drawn.len(), 6);
        assert_ne!(path_number("/app/a"), path_number("/app/b"));
    }

    #[test]
    fn dice_fall_as_they_did_in_older_versions() {
        // A seed that somebody wrote into a script goes on giving the same faults.
        assert_eq!(dice(42, 1, path_number("/app/engineData"), 3, Purpose::Strike).u32(..1000), 401);
    }
}
