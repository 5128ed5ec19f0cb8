//! The saved apps, shared by all sessions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::app::App;
use super::builtin;
use super::config::Otherwise;

/// Apps by id. A session takes a copy when it opens one, and brings it back when it saves.
#[derive(Debug)]
pub(crate) struct Store(Mutex<BTreeMap<String, App>>);

impl Store {
    pub(crate) fn new(rows: usize, otherwise: &Otherwise) -> Self {
        Self(Mutex::new(
            builtin::apps(rows, otherwise).into_iter().map(|app| (app.id.clone(), app)).collect(),
        ))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, App>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}
