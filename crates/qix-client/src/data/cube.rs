//! Hypercubes.

use futures_util::TryStreamExt as _;
use qix_protocol::schema::{HyperCubeDef, NxInfo, NxStackPage, NxTreeNode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    CubeDef, CubeLayout, DataError, Live, Pages, Pivots, Rows, Size, Table,
    pages::MOST_RESTARTS,
    plan::Area,
    source::{Fetched, Kind, Source, again, has_changed},
};
use crate::{Doc, Error, ErrorKind, GenericObject};

/// A hypercube: of its own, made by [`Doc::hypercube`](crate::Doc::hypercube), or that of a chart.
///
/// Cheap to clone. A cube of its own is destroyed in the engine when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct HyperCube(Source);

/// Properties of a session object with a cube.
#[derive(Serialize)]
struct Properties {
    #[serde(rename = "qInfo")]
    info: NxInfo,
    #[serde(rename = "qHyperCubeDef")]
    cube: HyperCubeDef,
}

/// Where the cube of a session object is.
const PATH: &str = "/qHyperCubeDef";

impl Doc {
    /// Makes a hypercube that lives as long as what is returned.
    ///
    /// ```no_run
    /// # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
    /// use qix_client::data::CubeDef;
    ///
    /// let cube = doc.hypercube(CubeDef::new().dimension("Region").measure("Sum(Sales)")).await?;
    /// let sales: Vec<(String, f64)> = cube.all().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses. A definition that cannot be computed is no error before its data are read.
    pub async fn hypercube(&self, def: impl Into<CubeDef> + Send) -> Result<HyperCube, Error> {
        let info = NxInfo { type_: "hypercube".to_owned(), ..NxInfo::default() };
        let properties = Properties { info, cube: def.into().into() };
        let object = self.create_session_object(&properties).await?;
        Ok(HyperCube::of(object, PATH))
    }
}

impl HyperCube {
    /// Takes the hypercube of an object, such as a chart of a sheet; `path` is that of its definition, mostly `/qHyperCubeDef`.
    pub fn of(object: GenericObject, path: &str) -> Self {
        Self(Source::new(object, Kind::Cube, path))
    }

    /// Returns the object that the cube is a part of.
    pub fn object(&self) -> &GenericObject {
        self.0.object()
    }

    /// Returns where the definition is in the object's properties.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Fetches what the layout says of the cube, without its data.
    ///
    /// # Errors
    ///
    /// [`DataError::Missing`] if there is no cube. What is wrong with it is no error here: see [`CubeLayout::fault`].
    pub async fn layout(&self) -> Result<CubeLayout, Error> {
        Ok(self.0.cube().await?.layout)
    }

    /// Fetches how large the cube is now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] if it cannot be computed.
    pub async fn size(&self) -> Result<Size, Error> {
        let layout = self.layout().await?;
        match layout.fault() {
            None => Ok(layout.size()),
            Some(fault) => Err(Error::because(ErrorKind::Data, fault)),
        }
    }

    /// Reads the rows, as values of your own type. For cubes in straight mode.
    ///
    /// The stream yields [`DataError::Changed`] and ends if the data change after the first page.
    pub fn rows<T: DeserializeOwned>(&self) -> Rows<T> {
        Rows::new(self.pages())
    }

    /// Reads the data page by page, by column. For cubes in straight mode.
    ///
    /// The stream yields [`DataError::Changed`] and ends if the data change after the first page.
    pub fn pages(&self) -> Pages {
        Pages::new(self.0.clone())
    }

    /// Reads all rows of one state, starting again as often as the data change meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error`] if a call fails, the cube cannot be computed, a row does not fit, or the data never stay as they are.
    pub async fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        self.table().await?.rows().collect()
    }

    /// Reads all data of one state by column, starting again as often as the data change meanwhile.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn table(&self) -> Result<Table, Error> {
        table(&self.0).await
    }

    /// Reads all rows, and reads them again after each change.
    pub fn live_rows<T: DeserializeOwned + Send + 'static>(&self) -> Live<Vec<T>> {
        let cube = self.clone();
        Live::new(self.object().clone(), move || {
            let cube = cube.clone();
            async move { cube.all().await }
        })
    }

    /// Reads all data by column, and reads them again after each change.
    pub fn live_tables(&self) -> Live<Table> {
        let cube = self.clone();
        Live::new(self.object().clone(), move || {
            let cube = cube.clone();
            async move { cube.table().await }
        })
    }

    /// Reads a pivot table, page by page.
    ///
    /// # Errors
    ///
    /// [`DataError::Mode`] if it is none, and as [`rows`](Self::rows).
    pub async fn pivot(&self) -> Result<Pivots, Error> {
        let (size, version) = self.of_mode("P").await?;
        Ok(Pivots::new(self.0.clone(), size, version))
    }

    /// Reads a stacked pivot table, up to `most_cells` cells (the engine's default is 10,000). See
    /// [`stack_paths`](super::stack_paths).
    ///
    /// # Errors
    ///
    /// [`DataError::Mode`] if it is none, and as [`rows`](Self::rows).
    pub async fn stacked(&self, most_cells: usize) -> Result<Vec<NxStackPage>, Error> {
        let most_cells = i64::try_from(most_cells).unwrap_or(i64::MAX);
        for _ in 0..=MOST_RESTARTS {
            let (size, version) = self.of_mode("K").await?;
            let pages = [Area::new(&(0..size.rows), &(0..size.columns))];
            let call = || self.object().get_hypercube_stack_data(self.path(), &pages);
            let pages = again(|| call().max_nbr_cells(most_cells)).await?;
            if self.0.version() == version {
                return Ok(pages);
            }
        }
        Err(Error::because(ErrorKind::Data, DataError::Changed))
    }

    /// Reads the nodes of a tree. Which nodes is up to the engine unless `options`, a `TreeNodeOptions`, say so. See
    /// [`tree_paths`](super::tree_paths).
    ///
    /// # Errors
    ///
    /// [`DataError::Mode`] if it is none, and as [`rows`](Self::rows).
    pub async fn tree(&self, options: Option<&(impl Serialize + Sync)>) -> Result<Vec<NxTreeNode>, Error> {
        self.of_mode("T").await?;
        again(|| {
            let call = self.object().get_hypercube_tree_data(self.path());
            match options {
                Some(options) => call.node_options(options),
                None => call,
            }
        })
        .await
    }

    /// Fetches the size of a cube that can be computed and has this mode, with how often it had changed before.
    async fn of_mode(&self, mode: &str) -> Result<(Size, u64), Error> {
        for _ in 0..=MOST_RESTARTS {
            let Fetched { layout, version, .. } = self.0.cube().await?;
            if let Some(fault) = layout.fault().or_else(|| DataError::mode(&layout.mode, mode)) {
                return Err(Error::because(ErrorKind::Data, fault));
            }
            if self.0.version() == version {
                return Ok((layout.size(), version));
            }
        }
        Err(Error::because(ErrorKind::Data, DataError::Changed))
    }
}

/// Reads all data of one state.
pub(super) async fn table(source: &Source) -> Result<Table, Error> {
    let mut restarts = 0;
    loop {
        match whole(source).await {
            Err(error) if has_changed(&error) && restarts < MOST_RESTARTS => restarts += 1,
            outcome => return outcome,
        }
    }
}

async fn whole(source: &Source) -> Result<Table, Error> {
    let pages: Vec<_> = Pages::new(source.clone()).try_collect().await?;
    let columns = match pages.first() {
        Some(page) => page.header().into(),
        // An empty table has columns too.
        None => source.shape().await?.layout.columns,
    };
    let rows = pages.iter().map(super::Page::len).sum();
    let size = Size { rows, columns: columns.len() };
    Ok(Table { size, columns, pages })
}
