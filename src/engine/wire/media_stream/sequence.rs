//! Whether messages come in order.

/// So many late numbers in a row mean that one number before them was wrong, not all of them.
const BELIEVED_AFTER: u32 = 3;

/// How a message's number fits to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// It is the next one, or the first.
    InOrder,
    /// So many are missing before it.
    Gap(u64),
    /// It, or a later one, was here already.
    Late,
}

/// Counts what is out of order. TCP keeps order, so any count above 0 is the carrier's doing; nothing is
/// refused for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceCheck {
    highest: Option<u64>,
    late_in_a_row: u32,
    /// Times that numbers were missing.
    pub gaps: u64,
    /// The numbers that were missing; one that comes late stays counted.
    pub missing: u64,
    /// Messages that came late, or twice.
    pub late: u64,
}

impl SequenceCheck {
    /// Looks at the next message's number.
    pub fn observe(&mut self, number: u64) -> Sequence {
        let skipped = match self.highest {
            None => 0,
            Some(highest) if number <= highest => {
                self.late = self.late.saturating_add(1);
                self.late_in_a_row += 1;
                if self.late_in_a_row >= BELIEVED_AFTER {
                    (self.highest, self.late_in_a_row) = (Some(number), 0);
                }
                return Sequence::Late;
            }
            Some(highest) => number - highest - 1,
        };
        (self.highest, self.late_in_a_row) = (Some(number), 0);
        if skipped == 0 {
            return Sequence::InOrder;
        }
        self.gaps = self.gaps.saturating_add(1);
        self.missing = self.missing.saturating_add(skipped);
        Sequence::Gap(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_number_does_not_make_all_later_ones_late() {
        let mut check = SequenceCheck::default();
        check.observe(1);
        assert_eq!(check.observe(u64::MAX), Sequence::Gap(u64::MAX - 2));
        let late = [2, 3, 4].map(|number| check.observe(number));
        assert_eq!(late, [Sequence::Late; 3]);
        assert_eq!(check.observe(5), Sequence::InOrder);
    }
}
