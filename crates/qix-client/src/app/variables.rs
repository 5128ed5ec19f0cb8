//! Variables by name.

use serde_json::json;

use crate::{Doc, Error, GenericVariable, data::Dual, selections::done};

/// What a variable is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum VariableValue {
    /// A text, or an expression if it begins with `=`.
    Text(String),
    /// A number.
    Number(f64),
    /// A number that is shown as this text.
    Dual(String, f64),
}

macro_rules! from {
    ($($type:ty => $value:ident: $into:expr;)*) => {$(
        impl From<$type> for VariableValue {
            fn from($value: $type) -> Self {
                $into
            }
        }
    )*};
}

from! {
    &str => text: Self::Text(text.to_owned());
    String => text: Self::Text(text);
    f64 => number: Self::Number(number);
    i32 => number: Self::Number(number.into());
    u32 => number: Self::Number(number.into());
    (&str, f64) => dual: Self::Dual(dual.0.to_owned(), dual.1);
}

impl VariableValue {
    async fn put(&self, variable: &GenericVariable) -> Result<(), Error> {
        match self {
            Self::Text(text) => variable.set_string_value(text).await,
            Self::Number(number) => variable.set_num_value(*number).await,
            Self::Dual(text, number) => variable.set_dual_value(text, *number).await,
        }
    }
}

impl Doc {
    /// Reads the value of a variable: what its text or expression gives.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such variable, or those of any call.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is changed.
    pub async fn variable_value(&self, name: &str) -> Result<Dual, Error> {
        let layout = self.get_variable_by_name(name).await?.get_layout().await?;
        Ok(Dual { text: layout.text, number: layout.num.0 })
    }

    /// Sets a variable to a text, an expression or a number: for this session, until the app is saved.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such variable, or those of any call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled leaves it open whether the variable is set.
    pub async fn set_variable(&self, name: &str, value: impl Into<VariableValue>) -> Result<(), Error> {
        let value = value.into();
        value.put(&self.get_variable_by_name(name).await?).await
    }

    /// Makes a variable that lives as long as what is returned, and sets it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) if the name is taken, or those of any call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future destroys what was made.
    pub async fn session_variable(
        &self,
        name: &str,
        value: impl Into<VariableValue>,
    ) -> Result<GenericVariable, Error> {
        let value = value.into();
        let properties = json!({"qInfo": {"qType": "variable"}, "qName": name});
        let variable = self.create_session_variable(&properties).await?;
        value.put(&variable).await?;
        Ok(variable)
    }

    /// Destroys a variable of the app.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsuccessful`](crate::ErrorKind::Unsuccessful) if the engine says that there is none, or that it is the script's.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled leaves it open whether the variable is there.
    pub async fn destroy_variable(&self, name: &str) -> Result<(), Error> {
        done(self.destroy_variable_by_name(name).await?, "DestroyVariableByName")
    }
}
