//! What could not be written.

/// How much of it is named.
const NAMED: usize = 100;

/// Things that could not be written, the first of them named.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    named: Vec<String>,
    more: u64,
}

impl LeftOut {
    /// Adds one.
    pub(super) fn add(&mut self, what: String) {
        if self.named.len() < NAMED {
            self.named.push(what);
        } else {
            self.more += 1;
        }
    }

    /// Returns a line for each that has a name, and one for all others.
    pub(super) fn told(mut self) -> Vec<String> {
        if self.more > 0 {
            self.named.push(format!("{} more that are not named", self.more));
        }
        self.named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_first_are_named() {
        let mut left = LeftOut::default();
        (0..150).for_each(|at| left.add(at.to_string()));
        let told = left.told();
        assert_eq!((told.len(), &*told[99], &*told[100]), (101, "99", "50 more that are not named"));
    }
}
