//! What a cell says besides its text and number.

/// How a cell's value stands to the selections, `StateEnumType` on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(u8)]
#[non_exhaustive]
pub enum CellState {
    /// `L`: selected and locked. Also what cells of measures have.
    Locked,
    /// `S`: selected.
    Selected,
    /// `O`: possible.
    Optional,
    /// `D`: deselected.
    Deselected,
    /// `A`: excluded by a selection in its own field alone.
    Alternative,
    /// `X`: excluded.
    Excluded,
    /// `XS`: selected, and excluded by another field.
    ExcludedSelected,
    /// `XL`: selected and locked, and excluded by another field.
    ExcludedLocked,
    /// `NSTATES`: the number of states, which stands for none.
    NStates,
    /// Not said, or a state that this version does not know.
    #[default]
    Unknown,
}

/// Each state with its long name and its short one, in the order of their numbers.
const STATES: [(CellState, &[u8], &[u8]); 9] = [
    (CellState::Locked, b"LOCKED", b"L"),
    (CellState::Selected, b"SELECTED", b"S"),
    (CellState::Optional, b"OPTION", b"O"),
    (CellState::Deselected, b"DESELECTED", b"D"),
    (CellState::Alternative, b"ALTERNATIVE", b"A"),
    (CellState::Excluded, b"EXCLUDED", b"X"),
    (CellState::ExcludedSelected, b"EXCL_SELECTED", b"XS"),
    (CellState::ExcludedLocked, b"EXCL_LOCKED", b"XL"),
    (CellState::NStates, b"NSTATES", b"NSTATES"),
];

impl CellState {
    /// Reads the short or the long form.
    pub(super) fn named(name: &[u8]) -> Self {
        let found = STATES.iter().find(|(_, long, short)| *long == name || *short == name);
        found.map_or(Self::Unknown, |(state, ..)| *state)
    }

    /// Reads the form of one letter, which is all that an engine writes but for two states.
    #[inline]
    pub(super) fn lettered(letter: u8) -> Self {
        match letter {
            b'L' => Self::Locked,
            b'S' => Self::Selected,
            b'O' => Self::Optional,
            b'D' => Self::Deselected,
            b'A' => Self::Alternative,
            b'X' => Self::Excluded,
            _ => Self::Unknown,
        }
    }

    /// Reads the form that is a number.
    pub(super) fn numbered(number: i32) -> Self {
        let found = usize::try_from(number).ok().and_then(|number| STATES.get(number));
        found.map_or(Self::Unknown, |(state, ..)| *state)
    }
}

/// What kind of cell the engine marked a cell as.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CellMarks(u8);

impl CellMarks {
    pub(super) const EMPTY: u8 = 1;
    pub(super) const TOTAL: u8 = 2;
    pub(super) const OTHER: u8 = 4;
    pub(super) const NULL: u8 = 8;

    #[inline]
    pub(super) fn set(&mut self, mark: u8, on: bool) {
        self.0 = if on { self.0 | mark } else { self.0 & !mark };
    }

    /// Returns `qIsEmpty`: the cell has no value.
    pub fn is_empty(self) -> bool {
        self.0 & Self::EMPTY != 0
    }

    /// Returns `qIsTotalCell`: the cell has the total of its column.
    pub fn is_total(self) -> bool {
        self.0 & Self::TOTAL != 0
    }

    /// Returns `qIsOtherCell`: the cell stands for all values that the cube's limits left out.
    pub fn is_other(self) -> bool {
        self.0 & Self::OTHER != 0
    }

    /// Returns `qIsNull`: the value is null.
    pub fn is_null(self) -> bool {
        self.0 & Self::NULL != 0
    }
}
