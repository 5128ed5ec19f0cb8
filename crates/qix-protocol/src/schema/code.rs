//! Codes as members of objects.

use super::{Cursor, Json, Member, member::is_whole};
use crate::{ErrorCode, MessageCode, WarningCode, scan::Fault};

macro_rules! codes {
    ($($code:ident),*) => {$(
        impl Member for $code {
            fn set_i64(&mut self, value: i64) -> bool {
                i32::try_from(value).map(|number| *self = Self::new(number)).is_ok()
            }

            fn set_f64(&mut self, value: f64) -> bool {
                is_whole(value) && self.set_i64(value as i64)
            }

            fn set_str(&mut self, value: &str) -> bool {
                Self::from_name(value).map(|code| *self = code).is_some()
            }

            fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
                if text.peek() == Some(b'"') {
                    return text.string(|text| self.set_str(text));
                }
                text.integer(|number| self.set_i64(number))
            }
        }
    )*};
}

codes!(ErrorCode, MessageCode, WarningCode);
