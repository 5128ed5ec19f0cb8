//! The saved apps, shared by all sessions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::app::App;
use super::builtin;
use super::config::Otherwise;
use super::selection::Fields;

/// Apps by id. A session takes a copy when it opens one, and brings it back when it saves.
#[derive(Debug)]
pub(crate) struct Store {
    apps: Mutex<BTreeMap<String, App>>,
    /// Temporary selection states by app and id; they outlive the session that has stored them.
    states: Mutex<BTreeMap<(String, String), Fields>>,
}

// Clients can make the engine keep no more states than this.
const MAX_STATES: usize = 10_000;

impl Store {
    pub(crate) fn new(rows: usize, otherwise: &Otherwise) -> Self {
        let apps = builtin::apps(rows, otherwise).into_iter().map(|app| (app.id.clone(), app)).collect();
        Self { apps: Mutex::new(apps), states: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, App>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds an app by id, by title, or by a path of Qlik Sense Desktop that ends in its id.
    pub(crate) fn get(&self, name: &str) -> Option<App> {
        let apps = self.lock();
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let found = apps.get(name).or_else(|| apps.get(last));
        found.or_else(|| apps.values().find(|app| app.title == name)).cloned()
    }

    pub(crate) fn save(&self, app: App) {
        self.lock().insert(app.id.clone(), app);
    }

    /// Adds an app; false if there is one of that id.
    pub(crate) fn create(&self, app: App) -> bool {
        let mut apps = self.lock();
        if apps.contains_key(&app.id) {
            return false;
        }
        apps.insert(app.id.clone(), app);
        true
    }

    pub(crate) fn delete(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    pub(crate) fn list(&self) -> Vec<App> {
        self.lock().values().cloned().collect()
    }

    /// Keeps a selection state; false if the app has one of that id.
    pub(crate) fn keep_state(&self, app: &str, id: &str, fields: &Fields) -> bool {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (app.to_owned(), id.to_owned());
        if states.contains_key(&key) {
            return false;
        }
        if states.len() >= MAX_STATES {
            states.pop_first();
        }
        states.insert(key, fields.clone());
        true
    }

    pub(crate) fn state(&self, app: &str, id: &str) -> Option<Fields> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&(app.to_owned(), id.to_owned())).cloned()
    }
}
