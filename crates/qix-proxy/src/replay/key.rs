//! What makes two requests the same.

use std::{collections::VecDeque, fmt};

use qix_protocol::{
    Handle, Lineage, Tree, canonical_params,
    frame::{Raw, client::Request},
};

/// What makes two requests the same, in any conversation: object, method, parameters.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// How the object was opened.
    pub lineage: Lineage,
    /// The method.
    pub method: Box<str>,
    /// The parameters in canonical form.
    pub params: Box<str>,
}

impl Key {
    /// Makes the key of a request to the object with this lineage.
    pub(super) fn new(lineage: Lineage, request: &Request<'_>, requests: &RecentRequests) -> Self {
        let params = match request.params {
            Some(params) if names_a_request(&request.method) => requests.named_in(&request.method, params),
            params => canonical_params(lineage.class(), &request.method, params),
        };
        Self { lineage, method: (&*request.method).into(), params: params.into() }
    }

    /// Makes the key of something a client sent that is no request.
    pub(super) fn of_text(text: &[u8]) -> Self {
        let params = String::from_utf8_lossy(text).into_owned().into();
        Self { lineage: Lineage::GLOBAL, method: "".into(), params }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.method.is_empty() {
            return write!(f, "text that is no request: {}", shortened(&self.params));
        }
        let params =
            self.params.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&self.params);
        write!(f, "{}({}) on {}", self.method, shortened(params), self.lineage)
    }
}

/// The lineage that stands for a handle which nothing opened, so that a client that guesses handles gets what was recorded.
pub(super) fn guessed(handle: Handle) -> Lineage {
    Lineage::GLOBAL.child(&format!("handle {handle}"), None, 0, "")
}

/// Methods whose first parameter is the id of another request.
pub(super) fn names_a_request(method: &str) -> bool {
    matches!(method, "CancelRequest" | "AbortRequest" | "GetProgress" | "GetInteract" | "InteractDone")
}

/// The latest requests of a connection, so that a parameter that names one by id can be compared.
#[derive(Debug, Default)]
pub(super) struct RecentRequests(VecDeque<(Box<[u8]>, Box<str>)>);

impl RecentRequests {
    /// More requests than any client has in flight.
    const KEPT: usize = 4096;

    pub(super) fn remember(&mut self, request: &Request<'_>) {
        if let Some(id) = request.id {
            if self.0.len() == Self::KEPT {
                self.0.pop_front();
            }
            self.0.push_back((id.as_bytes().into(), (&*request.method).into()));
        }
    }

    /// Returns canonical parameters with the id replaced by the method of the request it names.
    fn named_in(&self, method: &str, params: Raw<'_>) -> String {
        let Ok(mut tree) = Tree::parse(params.as_bytes()) else {
            return canonical_params("Global", method, Some(params));
        };
        let id = if tree.is_array() { tree.element_mut(0) } else { tree.member_mut("qRequestId") };
        if let Some(id) = id
            && let Some(text) = id.scalar()
        {
            let found = self.0.iter().rev().find(|(known, _)| **known == *text.as_bytes());
            *id = Tree::string(&format!("@{}", found.map_or("", |(_, method)| method)));
        }
        let text = tree.to_string();
        canonical_params("Global", method, Raw::new(text.as_bytes()).ok())
    }
}

/// A text cut to what fits a line.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, requests: &RecentRequests) -> Key {
        Key::new(Lineage::GLOBAL, &Request::parse(text.as_bytes()).unwrap(), requests)
    }

    #[test]
    fn ids_member_order_white_space_and_delta_do_not_matter() {
        let requests = RecentRequests::default();
        let one = key(r#"{"id":1,"method":"M","params":[{"a":1,"b":"é"}],"delta":true}"#, &requests);
        let two = key(r#"{"method":"M", "params":[ {"b":"\u00e9","a":1} ],"id":"7"}"#, &requests);
        assert_eq!(one, two);
        assert_eq!(key(r#"{"method":"M","params":{}}"#, &requests), key(r#"{"method":"M"}"#, &requests));
        assert_ne!(one, key(r#"{"id":1,"method":"M","params":[{"a":2,"b":"é"}]}"#, &requests));
    }

    #[test]
    fn request_ids_in_parameters_stand_for_their_requests() {
        let mut recorded = RecentRequests::default();
        recorded.remember(&Request::parse(br#"{"id":5,"method":"DoReload"}"#).unwrap());
        let mut live = RecentRequests::default();
        live.remember(&Request::parse(br#"{"id":9,"method":"DoReload"}"#).unwrap());
        let one = key(r#"{"method":"CancelRequest","params":[5]}"#, &recorded);
        assert_eq!(one, key(r#"{"method":"CancelRequest","params":[9]}"#, &live));
        assert_eq!(&*one.params, r#"["@DoReload"]"#);
        assert_ne!(one, key(r#"{"method":"CancelRequest","params":[1]}"#, &live));
    }

    #[test]
    fn keys_read_as_calls() {
        let key = key(r#"{"method":"GetObject","params":["LB01"]}"#, &RecentRequests::default());
        assert_eq!(key.to_string(), r#"GetObject("LB01") on Global"#);
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), 121);
    }
}
