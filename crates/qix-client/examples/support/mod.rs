//! What the examples share: a session at an engine that the environment names, or at a recording.
//!
//! The table in the crate's README says which variables there are. Each example prints the same of its recording
//! each time, which `cargo xtask examples` compares with its head comment; `cargo xtask examples --record NAME` makes the
//! recording.

use std::{
    env,
    error::Error,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use qix_client::{
    Session,
    transport::{
        Auth, ClientIdentity, CloudSession, Connect, ConnectError, Endpoint, QlikUser, Socket, TlsSettings,
        WsConnect,
    },
};
use qix_proxy::replay::RecordOrReplay;

/// Starts a session at the engine that the environment names, or at the recording of this name.
pub(crate) async fn session(name: &str) -> Result<Session, Box<dyn Error>> {
    Ok(Session::connect(&connector(name)?).await?)
}

/// Returns what [`session`] connects with, for sessions with settings and for several of them.
pub(crate) fn connector(name: &str) -> Result<Connector, Box<dyn Error>> {
    let live = match variable("QIX_URL")? {
        Some(url) => Some(live(&url)?),
        None if variable("QIX_RECORD")?.is_some() => {
            return Err("QIX_RECORD needs QIX_URL: which engine?".into());
        }
        None => None,
    };
    if let (Some(live), None) = (&live, variable("QIX_RECORD")?) {
        return Ok(Connector::Engine(Arc::new(live.clone())));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/recordings/{name}.qixrec"));
    // A replay connects to nothing, and needs a connector all the same.
    let engine = live.map_or_else(|| live_at("ws://localhost/app/engineData"), Ok)?;
    let target = variable("QIX_RECORD")?.map(|_| engine.endpoint().path_and_query().to_owned());
    let mut recording = RecordOrReplay::from_env(path, engine)?;
    if let Some(target) = target {
        recording = recording.url(&target);
    }
    let recording = Arc::new(recording);
    *RECORDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(recording.clone());
    Ok(Connector::Recording(recording))
}

/// Says goodbye, and keeps the recording if one was made.
pub(crate) async fn finish(session: Session) -> Result<(), Box<dyn Error>> {
    session.close().await;
    let recording = RECORDING.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(recording) = recording {
        recording.finish().await?;
    }
    Ok(())
}

/// Returns the app to open: that of the recordings, unless `QIX_APP` names another.
pub(crate) fn app() -> String {
    env::var("QIX_APP").unwrap_or_else(|_| "Sales.qvf".to_owned())
}

/// A way to an engine or into a recording. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Connector {
    Engine(Arc<WsConnect>),
    Recording(Arc<RecordOrReplay<WsConnect>>),
}

impl Connect for Connector {
    type Socket = Box<dyn Socket>;

    async fn connect(&self) -> Result<Self::Socket, ConnectError> {
        Ok(match self {
            Self::Engine(engine) => Box::new(engine.connect().await?),
            Self::Recording(recording) => Box::new(recording.connect().await?),
        })
    }
}

// What one example uses, another does not.
const _: () = {
    let _ = (session, connector, finish, app);
};

/// The recording that is being made or replayed.
static RECORDING: Mutex<Option<Arc<RecordOrReplay<WsConnect>>>> = Mutex::new(None);

fn live(url: &str) -> Result<WsConnect, Box<dyn Error>> {
    let mut tls = TlsSettings::default();
    if let Some(path) = variable("QIX_CA")? {
        tls = tls.ca_file(path).map_err(|error| format!("QIX_CA cannot be used: {error}"))?;
    }
    let endpoint =
        Endpoint::parse(url).map_err(|error| format!("QIX_URL is no URL of an engine: {error}"))?;
    Ok(WsConnect::builder(endpoint).auth(auth()?).tls(tls).build()?)
}

fn live_at(url: &str) -> Result<WsConnect, Box<dyn Error>> {
    Ok(WsConnect::builder(Endpoint::parse(url)?).build()?)
}

fn auth() -> Result<Auth, Box<dyn Error>> {
    let ways = ["QIX_API_KEY", "QIX_JWT", "QIX_CERT_DIR"];
    let [key, jwt, certificates] = [variable(ways[0])?, variable(ways[1])?, variable(ways[2])?];
    match (key, jwt, certificates) {
        (None, None, None) => Ok(Auth::none()),
        (Some(key), None, None) => Ok(Auth::bearer(key)),
        (None, Some(jwt), None) => Ok(match variable("QIX_WEB_INTEGRATION_ID")? {
            // Qlik Cloud makes a session of a JWT first.
            Some(id) => Auth::new(CloudSession::new(Auth::bearer(jwt)).web_integration(id)),
            None => Auth::bearer(jwt),
        }),
        (None, None, Some(folder)) => {
            let user = variable("QIX_USER")?;
            let (directory, id) = user
                .as_deref()
                .and_then(|user| user.split_once('\\'))
                .ok_or(r"QIX_CERT_DIR needs QIX_USER, a directory and an id such as INTERNAL\sa_engine")?;
            let identity = ClientIdentity::from_pem_dir(folder)
                .map_err(|error| format!("QIX_CERT_DIR cannot be used: {error}"))?;
            Ok(Auth::client_cert(identity, QlikUser::new(directory, id)))
        }
        _ => Err(format!("set one of {}, not several", ways.join(", ")).into()),
    }
}

/// Returns what a variable says; an empty one says nothing.
fn variable(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is no Unicode text").into()),
    }
}
