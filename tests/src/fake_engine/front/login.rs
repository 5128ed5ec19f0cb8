//! The login of a virtual proxy: session cookie, form, CSRF token, and what the upgrade of a socket must carry.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use serde_json::json;

use super::super::http::{Head, decode};
use super::answers::{Answer, empty, error, json, redirect, set, typed};
use super::config::Login;

/// Where the form is, below the prefix.
pub(super) const FORM: &str = "/internal_forms_authentication/";

const LARGEST_FORM: usize = 16 << 10;
// Nobody logs in more often in one test; the oldest is forgotten.
const MAX_KEPT: usize = 1000;

/// Who has come in, and who is on the way.
#[derive(Default)]
struct Known {
    logins: u64,
    forms: u64,
    /// CSRF tokens by session cookie.
    sessions: HashMap<String, String>,
    /// Where to go after the form, by target id.
    targets: HashMap<String, String>,
}

/// The gate in front of everything.
pub(super) struct Gate {
    login: Login,
    known: Mutex<Known>,
}

impl Gate {
    pub(super) fn new(login: Login) -> Self {
        Self { login, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the prefix with a slash before it, or nothing.
    pub(super) fn prefix(&self) -> String {
        if self.login.prefix.is_empty() { String::new() } else { format!("/{}", self.login.prefix) }
    }

    /// Returns the user as the engine is told, in `X-Qlik-User`.
    pub(super) fn user_header(&self) -> String {
        let (directory, id) = self.user();
        format!("UserDirectory={directory}; UserId={id}")
    }

    fn user(&self) -> (&str, &str) {
        self.login.user.split_once('\\').unwrap_or(("INTERNAL", &self.login.user))
    }

    fn session(&self, head: &Head) -> Option<String> {
        let name = self.login.cookie();
        let pairs = head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        let mut pairs =
            pairs.flat_map(|(_, cookies)| cookies.split(';')).filter_map(|pair| pair.split_once('='));
        let known = self.known();
        let (_, value) =
            pairs.find(|(key, value)| key.trim() == name && known.sessions.contains_key(value.trim()))?;
        Some(value.trim().to_owned())
    }

    /// Tells whether the request comes from somebody who has logged in.
    pub(super) fn knows(&self, head: &Head) -> bool {
        self.session(head).is_some()
    }

    /// Sends whoever has no session to the form.
    pub(super) fn send_to_form(&self, origin: &str, target: &str) -> Answer {
        redirect(&self.form_uri(origin, target))
    }

    fn form_uri(&self, origin: &str, target: &str) -> String {
        let mut known = self.known();
        known.forms += 1;
        let id = guid(Kind::Target, known.forms);
        if known.targets.len() >= MAX_KEPT {
            known.targets.clear();
        }
        known.targets.insert(id.clone(), target.to_owned());
        format!("{origin}{}{FORM}?targetId={id}", self.prefix())
    }

    /// Shows the form.
    pub(super) fn form(&self, query: &str, complaint: &str) -> Answer {
        if self.target(query).is_none() {
            return error(
                StatusCode::BAD_REQUEST,
                "The login has no targetId, or not one of this virtual proxy",
            );
        }
        let text = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Log in</title>\
             <link rel=\"icon\" href=\"data:,\"></head><body><h1>Log in</h1><p id=\"complaint\">{complaint}</p>\
             <form method=\"post\" action=\"\"><input name=\"username\" id=\"username-input\">\
             <input name=\"pwd\" id=\"password-input\" type=\"password\"><button id=\"loginbtn\">Log in</button></form>\
             </body></html>"
        );
        typed(StatusCode::OK, "text/html; charset=utf-8", text)
    }

    fn target(&self, query: &str) -> Option<String> {
        let id = query.split('&').find_map(|pair| pair.strip_prefix("targetId="))?;
        self.known().targets.get(id).cloned()
    }

    /// Takes the filled form: back to where the user wanted to go, with a cookie.
    pub(super) async fn log_in(&self, origin: &str, head: &Head, query: &str, body: Incoming) -> Answer {
        // Browsers send it with each form; a form of another site must not log anybody in.
        if head.header("Origin").is_some_and(|sent| sent != origin) {
            return error(
                StatusCode::FORBIDDEN,
                &format!("The form comes from another origin than {origin}"),
            );
        }
        let kind = head.header("Content-Type").unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return error(StatusCode::BAD_REQUEST, "The login is no form");
        }
        let Some(target) = self.target(query) else { return self.form(query, "") };
        let Ok(body) = Limited::new(body, LARGEST_FORM).collect().await else {
            return error(StatusCode::BAD_REQUEST, "The form is too long, or has no end");
        };
        let text = String::from_utf8_lossy(&body.to_bytes()).replace('+', " ");
        let value = |name: &str| {
            let value = text.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name);
            value.map(|(_, value)| decode(value)).unwrap_or_default()
        };
        if value("username") != self.login.user || value("pwd") != self.login.password {
            return self.form(query, "The user name or the password is wrong.");
        }
        let mut answer = redirect(&format!("{origin}{target}"));
        let cookie = self.admit();
        set(&mut answer, "set-cookie", &self.set_cookie(origin, &cookie, ""));
        answer
    }

    fn admit(&self) -> String {
        let mut known = self.known();
        known.logins += 1;
        let (cookie, token) = (guid(Kind::Cookie, known.logins), guid(Kind::Token, known.logins));
        if known.sessions.len() >= MAX_KEPT {
            known.sessions.clear();
        }
        known.sessions.insert(cookie.clone(), token);
        cookie
    }

    fn set_cookie(&self, origin: &str, value: &str, more: &str) -> String {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let domain = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let path = format!("{}/", self.prefix());
        let name = self.login.cookie();
        format!("{name}={value}; Path={path}; HttpOnly; Secure; SameSite=None; Domain={domain}{more}")
    }

    /// Says who is logged in.
    pub(super) fn who(&self, origin: &str, head: &Head) -> Answer {
        if !self.knows(head) {
            return self.nobody(origin);
        }
        let (directory, id) = self.user();
        let logout = format!("{origin}{}/qps/user", self.prefix());
        let user = json!({"userDirectory": directory, "userId": id, "userName": id, "logoutUri": logout, "session": "active"});
        json(StatusCode::OK, &user)
    }

    fn nobody(&self, origin: &str) -> Answer {
        let uri = self.form_uri(origin, &format!("{}/", self.prefix()));
        json(StatusCode::OK, &json!({"session": "inactive", "loginUri": uri}))
    }

    pub(super) fn log_out(&self, origin: &str, head: &Head) -> Answer {
        if let Some(cookie) = self.session(head) {
            self.known().sessions.remove(&cookie);
        }
        let mut answer = self.nobody(origin);
        let gone = "; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        set(&mut answer, "set-cookie", &self.set_cookie(origin, "", gone));
        answer
    }

    /// Gives the CSRF token of the session, in a header and without a body.
    pub(super) fn csrf_token(&self, head: &Head) -> Answer {
        let mut answer = empty(StatusCode::NO_CONTENT);
        if let Some(token) = self.token(head) {
            set(&mut answer, "qlik-csrf-token", &token);
        }
        answer
    }

    fn token(&self, head: &Head) -> Option<String> {
        let cookie = self.session(head)?;
        self.known().sessions.get(&cookie).cloned()
    }

    /// Decides about a socket: cookie, origin, and the token in the query, where a browser can put it.
    ///
    /// # Errors
    ///
    /// The answer to give instead of the upgrade, which names the first thing that is missing or wrong.
    pub(super) fn judge_socket(&self, origin: &str, head: &Head) -> Result<(), Box<Answer>> {
        let refuse = |title: &str| Err(Box::new(error(StatusCode::FORBIDDEN, title)));
        let Some(wanted) = self.token(head) else { return refuse("No session") };
        if head.header("Origin") != Some(origin) {
            return refuse(&format!("The origin is not {origin}"));
        }
        let query = head.target.split_once('?').map_or("", |(_, query)| query);
        let token = query.split('&').find_map(|pair| pair.strip_prefix("qlik-csrf-token="));
        if token.map(decode) != Some(wanted) {
            return refuse("The CSRF token in the query is missing or wrong");
        }
        Ok(())
    }
}

/// What an id is for: none has the value of another, so that one that turns up in the wrong place is known.
#[derive(Clone, Copy)]
enum Kind {
    Target = 1,
    Cookie,
    Token,
}

/// An id that looks like those of a site, but is the same in each run.
fn guid(kind: Kind, number: u64) -> String {
    let number = (kind as u64) << 40 | number;
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{number:012x}",
        mixed >> 32,
        (mixed >> 16) & 0xffff,
        mixed & 0xfff,
        (mixed >> 12) & 0xfff
    )
}
