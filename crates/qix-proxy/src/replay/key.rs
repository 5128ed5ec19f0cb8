//! What makes two requests the same.

use std::{
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};

use foldhash::quality::FixedState;
use qix_protocol::{
    Handle, Lineage, Tree, canonical_params,
    frame::{Raw, client::Request},
};

use super::volatile::{self, Ignore};

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
        let params = requests.canonical(lineage.class(), request);
        Self { lineage, method: (&*request.method).into(), params: params.into() }
    }

    /// Makes the key of something a client sent that is no request.
    pub(super) fn of_text(text: &[u8]) -> Self {
        let params = String::from_utf8_lossy(text).into_owned().into();
        Self { lineage: Lineage::GLOBAL, method: "".into(), params }
    }

    /// Returns the number by which the key is found among recorded ones.
    pub(super) fn hash_value(&self, rules: &[Ignore]) -> u64 {
        let params = volatile::ignoring(rules, self.lineage.class(), &self.method, &self.params);
        hash_of(&self.lineage, &self.method, hash_text(params.as_bytes()))
    }

    /// Returns the same for the key without values that a program has made up, if it has any.
    pub(super) fn general_hash_value(&self, rules: &[Ignore]) -> Option<u64> {
        let params = volatile::ignoring(rules, self.lineage.class(), &self.method, &self.params);
        let general = volatile::general(&self.method, &params)?;
        Some(hash_of(&self.lineage, &self.method, hash_text(general.as_bytes())))
    }
}

/// Makes a hasher whose numbers are good in all bits, and the same in all of the program.
pub(super) fn hasher() -> impl Hasher {
    const SEED: u64 = 0x7169_7872_6563;
    FixedState::with_seed(SEED).build_hasher()
}

/// Returns the number by which a key is found; its parameters count by theirs.
pub(super) fn hash_of(lineage: &Lineage, method: &str, params: u64) -> u64 {
    let mut hasher = hasher();
    (lineage.fingerprint(), params).hash(&mut hasher);
    hasher.write(method.as_bytes());
    hasher.finish()
}

pub(super) fn hash_text(text: &[u8]) -> u64 {
    let mut hasher = hasher();
    hasher.write(text);
    hasher.finish()
}

/// The numbers that stand for parameters in canonical form, by how they were written, so that what is said often is read once.
///
/// A small table in which what comes later takes the place of what was there: parameters that differ each time cost no more.
#[derive(Debug, Default)]
pub(super) struct KnownParams(Vec<(u64, Option<ParamsHash>)>);

/// What parameters come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParamsHash {
    /// In canonical form.
    pub(super) exact: u64,
    /// The same without generated values, if there are any.
    pub(super) general: Option<u64>,
}

impl KnownParams {
    /// How many there is room for: a power of two.
    const MOST: usize = 1 << 12;

    /// Returns what the parameters of a request come to. `canonical` makes their canonical form of them.
    ///
    /// Parameters that do not mean the same in each request must not be asked for.
    pub(super) fn get(
        &mut self,
        rules: &[Ignore],
        class: &str,
        request: &Request<'_>,
        canonical: impl FnOnce() -> String,
    ) -> ParamsHash {
        let mut hasher = hasher();
        hasher.write(request.params.map_or(b"", |params| params.as_bytes()));
        (class, &*request.method).hash(&mut hasher);
        let written = hasher.finish();
        if self.0.is_empty() {
            self.0.resize(Self::MOST, (0, None));
        }
        let slot = &mut self.0[written as usize % Self::MOST];
        if let (known, Some(found)) = *slot
            && known == written
        {
            return found;
        }
        let found = ParamsHash::new(rules, class, &request.method, &canonical());
        *slot = (written, Some(found));
        found
    }
}

impl ParamsHash {
    pub(super) fn new(rules: &[Ignore], class: &str, method: &str, canonical: &str) -> Self {
        let params = volatile::ignoring(rules, class, method, canonical);
        Self {
            exact: hash_text(params.as_bytes()),
            general: volatile::general(method, &params).map(|general| hash_text(general.as_bytes())),
        }
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

/// Whether the first parameter of the method is the id of another request.
pub(super) fn names_a_request(method: &str) -> bool {
    matches!(method, "CancelRequest" | "AbortRequest" | "GetProgress" | "GetInteract" | "InteractDone")
}

/// The latest requests of a connection, so that a parameter that names one by id can be compared.
#[derive(Debug, Default)]
pub(crate) struct RecentRequests {
    /// Ids, each with the place of its method.
    latest: VecDeque<(u64, u32)>,
    methods: Vec<Box<str>>,
}

impl RecentRequests {
    /// More requests than any client has in flight.
    const KEPT: usize = 4096;

    pub(crate) fn remember(&mut self, request: &Request<'_>) {
        let Some(id) = request.id else { return };
        // A few methods make up nearly all requests; a client with very many different ones loses the oldest.
        let method = match self.methods.iter().position(|method| **method == *request.method) {
            Some(method) => method,
            None => {
                if self.methods.len() == Self::KEPT {
                    self.methods.clear();
                    self.latest.clear();
                }
                self.methods.push((&*request.method).into());
                self.methods.len() - 1
            }
        };
        if self.latest.len() == Self::KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back((hash_text(id.as_bytes()), method as u32));
    }

    /// Returns the parameters of a request in the form in which equal ones are equal texts.
    pub(crate) fn canonical(&self, class: &str, request: &Request<'_>) -> String {
        match request.params {
            Some(params) if names_a_request(&request.method) => self.named_in(&request.method, params),
            params => canonical_params(class, &request.method, params),
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
            let named = hash_text(text.as_bytes());
            let found = self.latest.iter().rev().find(|(known, _)| *known == named);
            let method = found.and_then(|(_, method)| self.methods.get(*method as usize));
            *id = Tree::string(&format!("@{}", method.map_or("", |method| method)));
        }
        let text = tree.to_string();
        canonical_params("Global", method, Raw::new(text.as_bytes()).ok())
    }
}

/// A text cut to what fits a line.
pub(crate) fn shortened(text: &str) -> String {
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
