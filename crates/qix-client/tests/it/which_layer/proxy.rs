//! The same client, recorded once and answered from the recording ever after.

use std::{error::Error, path::Path};

use qix_client::{
    Session,
    transport::{Connect, Endpoint, WsConnect},
};
use qix_proxy::{
    record::{RecordConnect, Recorder, RecorderConfig},
    replay::ReplayConnect,
};

pub(crate) async fn record(url: &str, file: &Path) -> Result<String, Box<dyn Error>> {
    let recorder = Recorder::create(file, RecorderConfig::default())?;
    let engine = WsConnect::builder(Endpoint::parse(url)?).build()?;
    let title = title(&RecordConnect::new(engine, recorder.clone())).await?;
    recorder.seal().await;
    Ok(title)
}

pub(crate) async fn replay(file: &Path) -> Result<String, Box<dyn Error>> {
    title(&ReplayConnect::from_file(file)?).await
}

async fn title(connect: &impl Connect) -> Result<String, Box<dyn Error>> {
    let session = Session::connect(connect).await?;
    let doc = session.global().open_doc("Sales.qvf").await?;
    let title = doc.get_app_layout().await?.title;
    session.close().await;
    Ok(title)
}
