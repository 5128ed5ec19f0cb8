//! The parameters of a call that is being made.

use qix_protocol::{
    frame::{Raw, elements},
    schema::ParamInfo,
};
use serde::Serialize;

use crate::{Error, ErrorKind};

/// Parameters, written as they are given: an array as long as none is left out, and otherwise an object.
///
/// The array has no `]` yet.
pub(crate) struct Params {
    text: Vec<u8>,
    /// How many there are in the array.
    count: usize,
    /// Those that came after one that was not given, by their position.
    later: Vec<(usize, Vec<u8>)>,
    fault: Option<Error>,
    /// Whether the text is complete: the caller has written it whole.
    whole: bool,
}

impl Params {
    pub(crate) fn new() -> Self {
        Self { text: vec![b'['], count: 0, later: Vec::new(), fault: None, whole: false }
    }

    /// Takes what becomes an array or object as a whole.
    pub(crate) fn whole(params: &(impl Serialize + ?Sized)) -> Self {
        let mut this = Self { whole: true, ..Self::new() };
        this.text.clear();
        this.write(params);
        this
    }

    /// Sets the parameter at this position; the last value counts.
    pub(crate) fn set(&mut self, at: usize, value: &(impl Serialize + ?Sized)) {
        if at == self.count && self.later.is_empty() {
            if at > 0 {
                self.text.push(b',');
            }
            self.write(value);
            self.count += 1;
            return;
        }
        match serde_json::to_vec(value) {
            Ok(text) => {
                self.later.retain(|(there, _)| *there != at);
                self.later.push((at, text));
            }
            Err(error) => self.fault = Some(Error::because(ErrorKind::Params, error)),
        }
    }

    /// Returns the text.
    pub(crate) fn finish(mut self, infos: &[ParamInfo]) -> Result<Vec<u8>, Error> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !self.whole {
            self.text.push(b']');
        }
        if self.later.is_empty() {
            return Ok(self.text);
        }
        let array = Raw::new(&self.text).map_err(|error| Error::because(ErrorKind::Params, error))?;
        let mut given: Vec<(usize, &[u8])> =
            elements(array).map(|value| value.as_bytes()).enumerate().collect();
        for (at, text) in &self.later {
            given.retain(|(there, _)| there != at);
            given.push((*at, text));
        }
        given.sort_by_key(|(at, _)| *at);
        let array = given.iter().enumerate().all(|(position, (at, _))| position == *at);
        let mut out = vec![if array { b'[' } else { b'{' }];
        for (at, text) in given {
            if out.len() > 1 {
                out.push(b',');
            }
            if let (false, Some(info)) = (array, infos.get(at)) {
                // Names of parameters need no escapes.
                out.extend([b"\"", info.name.as_bytes(), b"\":"].concat());
            }
            out.extend(text);
        }
        out.push(if array { b']' } else { b'}' });
        Ok(out)
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        if let Err(error) = serde_json::to_writer(&mut self.text, value) {
            self.fault = Some(Error::because(ErrorKind::Params, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use qix_protocol::schema::{Method, doc, global};

    use super::*;

    fn text(infos: &[ParamInfo], params: Params) -> String {
        String::from_utf8(params.finish(infos).unwrap()).unwrap()
    }

    #[test]
    fn parameters_are_positional_until_one_is_left_out() {
        let infos = global::OpenDoc::INFO.params;
        let mut params = Params::new();
        assert_eq!(text(infos, Params::new()), "[]");
        params.set(0, "Sales");
        params.set(1, "me");
        assert_eq!(text(infos, params), r#"["Sales","me"]"#);
        let mut params = Params::new();
        params.set(0, "a,\"b");
        params.set(4, &true);
        assert_eq!(text(infos, params), r#"{"qDocName":"a,\"b","qNoData":true}"#);
    }

    #[test]
    fn order_of_setting_does_not_matter_and_the_last_value_counts() {
        let infos = doc::DoReload::INFO.params;
        let mut params = Params::new();
        params.set(1, &true);
        params.set(0, &0);
        params.set(0, &2);
        assert_eq!(text(infos, params), "[2,true]");
        let mut params = Params::new();
        params.set(0, &0);
        params.set(0, &1);
        assert_eq!(text(infos, params), "[1]");
    }

    #[test]
    fn falsy_values_are_sent_as_they_are_given() {
        // enigma.js replaces falsy named parameters by their defaults.
        let mut params = Params::new();
        params.set(0, "Sales");
        params.set(4, &false);
        assert_eq!(text(global::OpenDoc::INFO.params, params), r#"{"qDocName":"Sales","qNoData":false}"#);
    }
}
