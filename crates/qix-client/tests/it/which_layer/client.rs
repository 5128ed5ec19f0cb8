//! Typed apps, objects and data.

use std::error::Error;

use qix_client::{
    Session,
    transport::{Endpoint, WsConnect},
};

pub(crate) async fn title(url: &str) -> Result<String, Box<dyn Error>> {
    let session = Session::connect(&WsConnect::builder(Endpoint::parse(url)?).build()?).await?;
    let doc = session.global().open_doc("Sales.qvf").await?;
    Ok(doc.get_app_layout().await?.title)
}
