//! A text nobody should see.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// A token, ticket or password. It has no `Display`, and `Debug` shows `***`; cheap to clone.
///
/// Its memory is overwritten when the last clone is dropped. What was sent went through buffers that are not.
///
/// ```
/// use qix_transport::Secret;
///
/// let secret = Secret::new("abc");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "abc");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Wraps a text. A `String` is taken over, so that no copy of it stays behind.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// Returns the text, for sending it; do not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn memory_is_overwritten_on_drop() {
        fn is_overwritten<T: ZeroizeOnDrop>(_: &T) {}
        // What overwrites is the type; reading freed memory to see it would be undefined.
        is_overwritten(&*Secret::new("abc").0);
    }
}
