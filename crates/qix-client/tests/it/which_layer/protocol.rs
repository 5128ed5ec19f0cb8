//! Only frames: the socket is your own, and so is the loop.

use std::error::Error;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qix_client::protocol::{
    Answer, Connection, ConnectionConfig, Event, Handle, NewRequest, ObjectReference, frame::Raw,
};
use serde_json::Value;
use tokio_tungstenite::{connect_async, tungstenite::Message};

pub(crate) async fn title(url: &str) -> Result<String, Box<dyn Error>> {
    let (mut socket, _) = connect_async(url).await?;
    let mut connection = Connection::new(ConnectionConfig::default());

    let mut call = async |to: Handle, method: &str, params: &[u8]| -> Result<Answer, Box<dyn Error>> {
        let id = connection.ids().reserve();
        let params = Raw::new(params)?;
        let request = NewRequest { id, to, method, params, delta: false, deadline: None };
        connection.request(request, ()).map_err(|(error, ())| error)?;
        loop {
            while let Some(text) = connection.poll_transmit() {
                socket.send(Message::text(std::str::from_utf8(&text)?)).await?;
            }
            match socket.next().await.ok_or("the engine hung up")?? {
                Message::Text(text) => connection.handle_text(Bytes::from(text))?,
                _ => continue,
            }
            // Changes and notifications come here too.
            while let Some(event) = connection.poll_event() {
                if let Event::Completed { outcome, .. } = event {
                    return Ok(outcome?);
                }
            }
        }
    };

    let opened: Value = call(Handle::GLOBAL, "OpenDoc", br#"["Sales.qvf"]"#).await?.decode()?;
    let doc: ObjectReference = serde_json::from_value(opened["qReturn"].clone())?;
    let doc = doc.handle.ok_or("there is no such app")?;
    let layout: Value = call(doc, "GetAppLayout", b"[]").await?.decode()?;
    Ok(layout["qLayout"]["qTitle"].as_str().unwrap_or_default().to_owned())
}
