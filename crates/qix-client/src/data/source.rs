//! Where data come from: one definition of one object.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use qix_protocol::{Answer, ErrorCode, columns};

use super::{
    CubeLayout, DataError, ListLayout, MAX_CELLS, Page,
    layout::{Shape, read_at},
    plan::{Area, strips, tallest},
};
use crate::{Call, Error, ErrorKind, GenericObject, Returns};

/// How often a call is made again that the engine gave up for another change of its state.
const MOST_ABORTED: usize = 8;

/// One cube or list of an object. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    object: GenericObject,
    kind: Kind,
    /// Where the definition is in the properties.
    path: String,
    /// How many cells a call may ask for: less than [`MAX_CELLS`] once the engine has said so.
    limit: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Cube,
    List,
}

/// A layout with what it was fetched for.
pub(super) struct Fetched<L> {
    pub(super) layout: L,
    pub(super) answer: Answer,
    /// How often the object had changed before.
    pub(super) version: u64,
}

impl Source {
    pub(super) fn new(object: GenericObject, kind: Kind, path: &str) -> Self {
        let limit = AtomicUsize::new(MAX_CELLS);
        Self(Arc::new(Inner { object, kind, path: path.to_owned(), limit }))
    }

    pub(super) fn object(&self) -> &GenericObject {
        &self.0.object
    }

    pub(super) fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns how many cells a call may ask for.
    pub(super) fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Asks for half as much from now on, because so many cells were too many: the limit is lower than it should be. Returns
    /// whether there is anything left to ask for.
    pub(super) fn halve(&self, asked: usize) -> bool {
        self.0.limit.fetch_min((asked / 2).max(1), Ordering::Relaxed);
        asked > 1
    }

    /// Returns how often the object has changed.
    pub(super) fn version(&self) -> u64 {
        self.0.object.version()
    }

    /// Fetches what the layout says of the cube, right or wrong.
    pub(super) async fn cube(&self) -> Result<Fetched<CubeLayout>, Error> {
        self.fetch().await
    }

    /// Fetches what the layout says of the list, right or wrong.
    pub(super) async fn list(&self) -> Result<Fetched<ListLayout>, Error> {
        self.fetch().await
    }

    /// Fetches the layout; what is wrong with the data is an error.
    pub(super) async fn shape(&self) -> Result<Fetched<Shape>, Error> {
        let (fault, size, columns, answer, version) = match self.0.kind {
            Kind::Cube => {
                let Fetched { layout, answer, version } = self.cube().await?;
                let other = DataError::mode(&layout.mode, "S");
                (layout.fault().or(other), layout.size(), layout.columns(), answer, version)
            }
            Kind::List => {
                let Fetched { layout, answer, version } = self.list().await?;
                (layout.fault(), layout.size(), layout.columns(), answer, version)
            }
        };
        if let Some(fault) = fault {
            return Err(Error::because(ErrorKind::Data, fault));
        }
        Ok(Fetched { layout: Shape { size, columns: columns.into() }, answer, version })
    }

    async fn fetch<L: for<'de> serde::Deserialize<'de>>(&self) -> Result<Fetched<L>, Error> {
        let version = self.version();
        let answer = again(|| self.0.object.get_layout().raw()).await?;
        let names = self.layout_path();
        let path: Vec<&str> = names.iter().map(String::as_str).collect();
        let missing = || Error::because(ErrorKind::Data, DataError::Missing { path: self.0.path.clone() });
        let layout = read_at(&answer, &path)?.ok_or_else(missing)?;
        Ok(Fetched { layout, answer, version })
    }

    /// Returns the pages that came with a layout.
    pub(super) fn initial_pages(&self, answer: &Answer) -> Result<Vec<columns::Page>, Error> {
        let names = self.layout_path();
        // What lies in arrays is not looked for: their pages are simply asked for.
        if names.iter().any(|name| name.parse::<usize>().is_ok()) {
            return Ok(Vec::new());
        }
        let path: Vec<&str> = names.iter().map(String::as_str).collect();
        answer.pages(&path).map_err(|error| Error::because(ErrorKind::Protocol, error))
    }

    /// The definition is at `/a/qHyperCubeDef` in properties, and its data at `/a/qHyperCube` in layouts.
    fn layout_path(&self) -> Vec<String> {
        let path = self.0.path.strip_suffix("Def").unwrap_or(&self.0.path);
        let name = |name: &str| name.replace("~1", "/").replace("~0", "~");
        std::iter::once("qLayout".to_owned())
            .chain(path.split('/').filter(|name| !name.is_empty()).map(name))
            .collect()
    }

    /// Fetches rows, in as many calls as it takes, from top to bottom.
    pub(super) async fn rows(
        &self,
        rows: Range<usize>,
        shape: &Shape,
        version: u64,
    ) -> Result<Vec<Page>, Error> {
        let width = shape.size.columns;
        let mut pages = Vec::new();
        let mut todo = vec![rows];
        while let Some(rows) = todo.pop() {
            let limit = self.limit();
            let height = tallest(width, limit);
            if rows.len() > height {
                let middle = rows.start + height;
                todo.extend([middle..rows.end, rows.start..middle]);
                continue;
            }
            match self.block(rows.clone(), shape, version).await {
                Ok(page) => {
                    let end = rows.start + page.len();
                    if end < rows.end {
                        todo.push(end..rows.end);
                    }
                    pages.push(page);
                }
                Err(error) if is(&error, ErrorCode::CALC_PAGES_TOO_LARGE) => {
                    let asked = limit.min(rows.len().saturating_mul(width));
                    if !self.halve(asked) {
                        return Err(error);
                    }
                    todo.push(rows);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(pages)
    }

    /// Fetches rows that one call may ask for, or one row of any width.
    async fn block(&self, rows: Range<usize>, shape: &Shape, version: u64) -> Result<Page, Error> {
        let changed = || Error::because(ErrorKind::Data, DataError::Changed);
        let mut parts: Vec<columns::Page> = Vec::new();
        for columns in strips(shape.size.columns, rows.len(), self.limit()) {
            let pages = self.strip(&rows, &columns).await?;
            if self.version() != version {
                return Err(changed());
            }
            // Less than was asked for is there only if the table is smaller than it was.
            let page = pages.into_iter().next().ok_or_else(changed)?;
            if page.rows() == 0
                || page.rows() > rows.len()
                || page.width() != columns.len()
                || parts.first().is_some_and(|first| first.rows() != page.rows())
            {
                return Err(changed());
            }
            parts.push(page);
        }
        let height = parts.first().map_or(0, columns::Page::rows);
        Ok(Page::new(rows.start, height, parts, shape.columns.clone()))
    }

    async fn strip(&self, rows: &Range<usize>, columns: &Range<usize>) -> Result<Vec<columns::Page>, Error> {
        let (object, path, pages) = (&self.0.object, &*self.0.path, [Area::new(rows, columns)]);
        let answer = match self.0.kind {
            Kind::Cube => again(|| object.get_hypercube_data(path, &pages).delta(false).raw()).await?,
            Kind::List => again(|| object.get_list_object_data(path, &pages).delta(false).raw()).await?,
        };
        answer.pages(&[]).map_err(|error| Error::because(ErrorKind::Protocol, error))
    }
}

/// Makes a call that only reads, and makes it again if the engine gave it up because state changed (15).
pub(crate) async fn again<M: Returns>(call: impl Fn() -> Call<M>) -> Result<M::Result, Error> {
    let mut aborted = 0;
    loop {
        match call().await {
            Err(error) if is(&error, ErrorCode::GENERIC_ABORTED) && aborted < MOST_ABORTED => aborted += 1,
            outcome => return outcome,
        }
    }
}

pub(super) fn is(error: &Error, code: ErrorCode) -> bool {
    error.engine().is_some_and(|error| error.code == code)
}

/// Returns whether reading again is all it takes.
pub(super) fn has_changed(error: &Error) -> bool {
    matches!(error.data(), Some(DataError::Changed)) || is(error, ErrorCode::GENERIC_ABORTED)
}
