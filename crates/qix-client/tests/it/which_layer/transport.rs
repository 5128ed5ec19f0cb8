//! A connected socket: URLs, credentials, TLS and proxies are done, what is said is your own.

use std::error::Error;

use qix_client::transport::{Connect, Endpoint, Message, SocketExt, WsConnect};
use serde_json::{Value, json};

pub(crate) async fn title(url: &str) -> Result<String, Box<dyn Error>> {
    let mut socket = WsConnect::builder(Endpoint::parse(url)?).build()?.connect().await?;

    let mut call =
        async |id: u64, handle: i64, method: &str, params: Value| -> Result<Value, Box<dyn Error>> {
            let request =
                json!({"jsonrpc": "2.0", "id": id, "handle": handle, "method": method, "params": params});
            socket.send_text(request.to_string()).await?;
            loop {
                let Message::Text(text) = socket.receive().await? else { continue };
                let answer: Value = serde_json::from_slice(&text)?;
                // What comes without an id is a notification, or a list of changes.
                if answer["id"] == id {
                    return Ok(answer["result"].clone());
                }
            }
        };

    let opened = call(1, -1, "OpenDoc", json!(["Sales.qvf"])).await?;
    let doc = opened["qReturn"]["qHandle"].as_i64().ok_or("there is no such app")?;
    let layout = call(2, doc, "GetAppLayout", json!([])).await?;
    Ok(layout["qLayout"]["qTitle"].as_str().unwrap_or_default().to_owned())
}
