//! Opens an app, whatever state the session is in.

use std::{fmt, future::IntoFuture, pin::Pin, time::Duration};

use qix_protocol::{ErrorCode, SessionState};
use qix_transport::Secret;
use tokio::time::sleep;

use crate::{Doc, Error, ErrorKind, Session};

/// How long an app that is being reloaded is waited for.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Pauses between attempts; catwalk takes half a second.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens an app: [`Session::open_app`]. `.await` does it.
#[must_use = "nothing is opened until it is awaited"]
pub struct OpenApp {
    session: Session,
    id: String,
    user: String,
    password: Option<Secret>,
    serial: Option<Secret>,
    no_data: Option<bool>,
    timeout: Duration,
}

/// Why an app was not opened although the engine has it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAppError {
    /// Another app is open in the session, and a session has one app only.
    #[error(
        "{open:?} is open in this session, not {wanted:?}; connect with another identity in the endpoint"
    )]
    OtherApp {
        /// The app that is open.
        open: String,
        /// The app that was asked for.
        wanted: String,
    },
    /// The app is open in this session with data and was wanted without, or the other way round.
    #[error("the app is open {} data in this session; connect with another identity in the endpoint", if *.without_data { "without" } else { "with" })]
    OtherMode {
        /// How it is open.
        without_data: bool,
    },
}

impl Session {
    /// Opens an app, whatever state the session is in.
    ///
    /// If the app is open already, that is what is returned. While it is being reloaded, it is tried again until the
    /// [timeout](OpenApp::timeout). A session app that the endpoint names (`SessionApp_…`) is open from the start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyOpen`] if the session has another app open, or this one in another mode, with [`OpenAppError`] as source.
    /// [`ErrorKind::Engine`] if the engine refuses, [`ErrorKind::TimedOut`] if the app is still being reloaded.
    pub fn open_app(&self, id: impl Into<String>) -> OpenApp {
        OpenApp {
            session: self.clone(),
            id: id.into(),
            user: String::new(),
            password: None,
            serial: None,
            no_data: None,
            timeout: TIMEOUT,
        }
    }
}

impl OpenApp {
    /// Sets whether to open it without data: quicker, for those who read or change no more than properties and scripts. If it is
    /// said, an app that is open in the other mode is an error. Default: with data, or as it is open already.
    pub fn no_data(mut self, no_data: bool) -> Self {
        self.no_data = Some(no_data);
        self
    }

    /// Sets the user name, for apps with section access of old.
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = name.into();
        self
    }

    /// Sets the password.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets the serial number.
    pub fn serial(mut self, serial: impl Into<Secret>) -> Self {
        self.serial = Some(serial.into());
        self
    }

    /// Sets for how long to try while the app is being reloaded. Default 5 minutes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn open(self) -> Result<Doc, Error> {
        tokio::time::timeout(self.timeout, self.try_until_it_works())
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut).in_method("OpenDoc".into())))
    }

    async fn try_until_it_works(self) -> Result<Doc, Error> {
        let mut pause = FIRST_PAUSE;
        if self.id.starts_with("SessionApp_")
            && let Ok(doc) = self.active().await
            && self.is_it(&doc)
        {
            return Ok(doc);
        }
        loop {
            let error = match self.call().await {
                Ok(doc) => return self.check_mode(doc, false).await,
                Err(error) => error,
            };
            match error.engine().map(|error| error.code) {
                Some(ErrorCode::APP_ALREADY_OPEN) => return self.join(error).await,
                Some(ErrorCode::APP_ALREADY_OPEN_IN_DIFFERENT_MODE) => {
                    let without_data = !self.no_data.unwrap_or_default();
                    return Err(Error::because(
                        ErrorKind::AlreadyOpen,
                        OpenAppError::OtherMode { without_data },
                    ));
                }
                Some(ErrorCode::RELOAD_IN_PROGRESS | ErrorCode::GENERIC_ABORTED) => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                _ => return Err(error),
            }
        }
    }

    /// Takes the app that the engine says is open already.
    async fn join(&self, refusal: Error) -> Result<Doc, Error> {
        let Ok(doc) = self.active().await else { return Err(refusal) };
        if self.is_it(&doc) {
            return self.check_mode(doc, true).await;
        }
        let open = doc.id().unwrap_or_default().to_owned();
        let error = OpenAppError::OtherApp { open, wanted: self.id.clone() };
        Err(Error::because(ErrorKind::AlreadyOpen, error))
    }

    fn is_it(&self, doc: &Doc) -> bool {
        doc.id().is_none_or(|open| is_same_app(&self.id, open))
    }

    /// Another client of the session may have opened the app in the mode that it wanted.
    async fn check_mode(&self, doc: Doc, joined: bool) -> Result<Doc, Error> {
        let Some(no_data) = self.no_data else { return Ok(doc) };
        if !joined && matches!(self.session.state().greeting(), Some(SessionState::Created)) {
            return Ok(doc);
        }
        let without_data = doc.get_app_layout().await?.is_opened_without_data;
        if without_data == no_data {
            return Ok(doc);
        }
        Err(Error::because(ErrorKind::AlreadyOpen, OpenAppError::OtherMode { without_data }))
    }

    async fn call(&self) -> Result<Doc, Error> {
        self.request().await
    }

    fn request(&self) -> crate::Call<qix_protocol::schema::global::OpenDoc> {
        let mut call = self.session.global().open_doc(&self.id);
        let exposed = |secret: &Option<Secret>| secret.as_ref().map_or("", Secret::expose).to_owned();
        if !self.user.is_empty() || self.password.is_some() || self.serial.is_some() {
            call =
                call.user_name(&self.user).password(&exposed(&self.password)).serial(&exposed(&self.serial));
        }
        match self.no_data {
            Some(no_data) => call.no_data(no_data),
            None => call,
        }
    }

    /// Gets the app that is open, as if it had been opened by this call: so it is when the session has to be made anew.
    async fn active(&self) -> Result<Doc, Error> {
        let answer = self.session.global().get_active_doc().raw().await?;
        let request = self.request().into_request()?;
        crate::Object::answered(&request, &answer).map(Doc::from)
    }
}

impl IntoFuture for OpenApp {
    type Output = Result<Doc, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Doc, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl fmt::Debug for OpenApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApp")
            .field("id", &self.id)
            .field("no_data", &self.no_data)
            .finish_non_exhaustive()
    }
}

/// Whether two ids are of one app: Qlik Sense Desktop takes a file name and answers with the whole path.
pub(crate) fn is_same_app(a: &str, b: &str) -> bool {
    let name = |id: &str| {
        let file = id.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = file.len().checked_sub(4).filter(|at| file.is_char_boundary(*at));
        match stem.map(|at| file.split_at(at)) {
            Some((stem, end)) if end.eq_ignore_ascii_case(".qvf") => stem.to_lowercase(),
            _ => file.to_lowercase(),
        }
    };
    a == b || name(a) == name(b)
}
