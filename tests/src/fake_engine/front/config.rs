//! What a test can choose about HTTP.

use std::path::PathBuf;

/// What the engine serves over HTTP. The default has no pages and no login.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Front {
    /// Folder whose files are served; `index.html` stands for each folder in it. Default none.
    pub pages: Option<PathBuf>,
    /// Host names by which it may be addressed, beside `localhost` and the address it listens on. Default none.
    pub names: Vec<String>,
    /// Puts everything behind a login, as a Sense virtual proxy does. Default none.
    pub login: Option<Login>,
}

/// A virtual proxy of a Sense site that lets users in by a form.
#[derive(Clone)]
pub struct Login {
    /// Path before everything it serves, without slashes; empty for the default virtual proxy.
    pub prefix: String,
    /// Who may come in, as `DIRECTORY\id`.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Login {
    /// Returns the virtual proxy `prefix`, for one user.
    #[must_use]
    pub fn new(prefix: &str, user: &str, password: &str) -> Self {
        Self { prefix: prefix.to_owned(), user: user.to_owned(), password: password.to_owned() }
    }

    /// Returns the name of its session cookie: `X-Qlik-Session`, and the prefix if there is one.
    #[must_use]
    pub fn cookie(&self) -> String {
        match self.prefix.rsplit('/').next() {
            None | Some("") => "X-Qlik-Session".to_owned(),
            Some(prefix) => format!("X-Qlik-Session-{prefix}"),
        }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("prefix", &self.prefix)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
