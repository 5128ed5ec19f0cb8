//! Codes as members of objects.

use super::{Cursor, Json, Member};
use crate::{ErrorCode, MessageCode, WarningCode, scan::Fault};

macro_rules! codes {
    ($($code:ident),*) => {$(
        impl Member for $code {
            fn set_i64(&mut self, value: i64) -> bool {
                i32::try_from(value).map(|number| *self = Self::new(number)).is_ok()
            }

            fn set_f64(&mut self, value: f64) -> bool {
                value.fract() == 0.0 && value.abs() < i64::MAX as f64 && self.set_i64(value as i64)
            }

            fn set_str(&mut self, value: &str) -> bool {
                Self::from_name(value).map(|code| *self = code).is_some()
            }

            fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
                if text.peek() == Some(b'"') {
                    return text.string(|text| self.set_str(text));
                }
                text.number(|digits| match digits.parse() {
                    Ok(number) => self.set_i64(number),
                    Err(_) => digits.parse().is_ok_and(|number| self.set_f64(number)),
                })
            }
        }
    )*};
}

codes!(ErrorCode, MessageCode, WarningCode);
