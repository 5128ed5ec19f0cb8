//! What secrets are called: members of frames, parameters, words in connection strings.

use qix_protocol::schema::METHODS;

/// Members that hold identity or credentials only when they are written just so.
const EXACT: &[&str] = &[
    "UserDirectory",
    "UserId",
    "qConnectionString",
    "qInput",
    "qSerial",
    "qUserName",
    "userDirectory",
    "userId",
];

/// Members that hold credentials however they are written: in lower case, without `-`, `_` and the `q` of the engine's names.
const PLAIN: &[&str] = &[
    "accesstoken",
    "apikey",
    "assertion",
    "authorization",
    "authtoken",
    "bearertoken",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "cookie",
    "cookies",
    "csrf",
    "csrftoken",
    "encpwd",
    "idtoken",
    "jwt",
    "likcsrftoken",
    "likticket",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "proxyticket",
    "pwd",
    "qlikcsrftoken",
    "qlikticket",
    "refreshtoken",
    "samlresponse",
    "secret",
    "sessioncookie",
    "sessiontoken",
    "setcookie",
    "subjecttoken",
    "ticket",
    "token",
    "xpassword",
    "xqlikproxysession",
    "xqliksecurity",
    "xqlikticket",
    "xqlikuser",
    "xqlikxrfkey",
    "xrfkey",
    "xuserid",
];

/// How the names of tokens end that only turn pages.
const PAGES: &[&str] = &["nexttoken", "pagetoken", "continuationtoken"];

/// Longer names are none of the above.
const LONGEST: usize = 40;

/// Members and parameters that hold script text.
pub(super) const SCRIPT: &[&str] =
    &["qLocalizedMainSection", "qLocalizedScriptMainSection", "qScript", "qScriptLogFile"];

/// Returns whether a member of this name holds a secret.
pub(super) fn is_secret_member(name: &str) -> bool {
    if name.len() > LONGEST {
        return false;
    }
    let word = plain(name);
    let turns_pages = || PAGES.iter().any(|end| word.ends_with(end));
    EXACT.contains(&name) || is_plain(&word) || ends_secret(&word) && !turns_pages()
}

/// Returns whether `name=value` in the middle of a text is a secret: in connection strings, headers, forms.
pub(super) fn is_secret_word(name: &str) -> bool {
    if name.len() > LONGEST {
        return false;
    }
    let word = plain(innermost(name));
    matches!(&*word, "userdirectory" | "userid" | "eas.sid" | "eas.sid.sig" | "csrftoken.sig")
        || is_plain(&word)
        || ends_secret(&word)
}

/// Returns the part of a form's name that says what the value is: `password` of `login[password]`, `tokens` of `tokens[]`.
fn innermost(name: &str) -> &str {
    let name = name.trim_end_matches("[]");
    let inner = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
    inner.map_or(name, |(_, inner)| inner)
}

fn ends_secret(word: &str) -> bool {
    ["password", "passwd", "pwd", "secret", "token", "apikey", "ticket"].iter().any(|end| word.ends_with(end))
}

/// Returns whether the word names a password, and nothing that an expression could be about.
pub(super) fn is_password(name: &str) -> bool {
    let word = plain(name);
    ["password", "passwd", "pwd"].iter().any(|end| word.ends_with(end))
}

fn is_plain(word: &str) -> bool {
    let bare = word.strip_prefix('q').unwrap_or(word);
    PLAIN.binary_search(&word).is_ok()
        || PLAIN.binary_search(&bare).is_ok()
        || word.starts_with("xqliksession")
}

fn plain(name: &str) -> String {
    let kept = name.chars().filter(|c| !matches!(c, '-' | '_'));
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns whether a text has one of the names that nothing but a message of the engine has in quotes.
pub(super) fn quoted_somewhere(quoted: impl Fn(&str) -> bool) -> bool {
    EXACT.iter().any(|name| quoted(name))
}

/// Returns the method and place of each parameter whose name `is_one`, from the schema: clients may give them by position.
pub(super) fn positions(is_one: impl Fn(&str) -> bool) -> impl Iterator<Item = (&'static str, usize)> {
    METHODS.iter().flat_map(move |method| {
        let params = method.params.iter().enumerate();
        let found: Vec<_> =
            params.filter(|(_, param)| is_one(param.name)).map(|(at, _)| (method.name, at)).collect();
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(PLAIN.is_sorted() && EXACT.is_sorted());
    }

    #[test]
    fn names_are_known_in_every_spelling() {
        for name in
            ["qPassword", "password", "PASSWORD", "access_token", "accessToken", "X-Qlik-User", "qToken"]
        {
            assert!(is_secret_member(name), "{name}");
        }
        for name in ["newPassword", "old_password", "connectionSecret", "apiToken", "x-api-key", "dbPwd"] {
            assert!(is_secret_member(name), "{name}");
        }
        for name in ["nextToken", "next_page_token", "qIsSecretive", "tokens", "token_type"] {
            assert!(!is_secret_member(name), "{name}");
        }
        for name in ["qText", "qNum", "qTokens", "passwordHint", "code", "state", "key", "qKeyType"] {
            assert!(!is_secret_member(name), "{name}");
        }
        for name in [
            "XPassword",
            "encpwd",
            "login[password]",
            "user[0][api-key]",
            "token[]",
            "UserId",
            "x-qlik-session-vp",
            "SharedSecret",
        ] {
            assert!(is_secret_word(name), "{name}");
        }
    }

    #[test]
    fn positions_come_from_the_schema() {
        let found: Vec<_> = positions(is_secret_member).collect();
        for expected in [("OpenDoc", 1), ("OpenDoc", 2), ("OpenDoc", 3), ("CreateDocEx", 2)] {
            assert!(found.contains(&expected), "{found:?}");
        }
        assert!(positions(|name| SCRIPT.contains(&name)).any(|found| found == ("SetScript", 0)));
    }
}
