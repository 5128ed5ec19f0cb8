//! What a user does before anything else: connect, and open or make what the operations need.

use std::time::Duration;

use qix_client::{
    Doc, Error, ErrorKind, GenericObject, GenericVariable, ResumePolicy, Session, SessionConfig,
    layer::RetryAborted,
    transport::{Endpoint, WsConnect},
};
use serde_json::json;

use super::super::{
    Fault,
    model::Selected,
    probe::{Known, probe_properties},
};
use super::{Open, Worker, within};

impl Worker {
    /// Connects, and opens or makes what the operations need.
    pub(super) async fn open(&mut self) -> Result<Result<Open, Error>, Fault> {
        let endpoint = Endpoint::parse(&self.url).map_err(|error| error.to_string())?;
        let connector = WsConnect::builder(endpoint).build().map_err(|error| error.to_string())?;
        let delta = self.chance.one_in(2);
        let mut config = SessionConfig::default().delta(delta).layer(RetryAborted::new());
        if self.resumes {
            let pauses = (Duration::from_millis(5), Duration::from_millis(50));
            config = config.resume(ResumePolicy::automatic().pauses(pauses.0, pauses.1));
        }
        self.report = None;
        let opened = async {
            let session = Session::connect_with(&connector, config).await?;
            let state = session.connected().await?;
            let doc = session.global().open_doc("Sales.qvf").await?;
            Ok::<_, Error>((session, state, doc))
        };
        let (session, state, doc) = match within("opening", opened).await? {
            Ok(opened) => opened,
            Err(error) => {
                // Perhaps the session was made anew, and is attached to next time.
                self.selected.perhaps(Selected::default());
                return Ok(Err(self.note(error)));
            }
        };
        let attached = state == "SESSION_ATTACHED";
        self.world.figures.count(if attached { "attached" } else { "created" });
        if !attached {
            self.selected = Known::new(Selected::default());
        }
        let probe = match within("the probe", self.probe(&doc, attached)).await? {
            Ok((probe, text)) => {
                if let Some(text) = text {
                    self.text.written(text.clone());
                    (self.made[0], self.given[0]) = (text.clone(), text);
                }
                probe
            }
            Err(error) => return Ok(Err(self.note(error))),
        };
        let variable = match within("the variable", self.variable(&doc, attached)).await? {
            Ok((variable, text)) => {
                if let Some(text) = text {
                    self.variable.written(text.clone());
                    (self.made[1], self.given[1]) = (text.clone(), text);
                }
                variable
            }
            Err(error) => return Ok(Err(self.note(error))),
        };
        Ok(Ok(Open { session, doc, probe, variable }))
    }

    /// Returns the probe, and its text if it was made just now.
    async fn probe(&mut self, doc: &Doc, attached: bool) -> Result<(GenericObject, Option<String>), Error> {
        let id = format!("probe-{}", self.name);
        if attached {
            match doc.get_object(&id).await {
                Ok(probe) => return Ok((probe, None)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let text = self.world.ledger.tag().text();
        // It may be made although no answer comes.
        self.text.perhaps(text.clone());
        let probe = doc.create_session_object(&probe_properties(&id, &text)).await?;
        // Others would clean it up with their last clone; this one is to be found again.
        probe.keep();
        Ok((probe, Some(text)))
    }

    async fn variable(
        &mut self,
        doc: &Doc,
        attached: bool,
    ) -> Result<(GenericVariable, Option<String>), Error> {
        let name = format!("v{}", self.name.replace('-', "_"));
        if attached {
            match doc.get_variable_by_name(&name).await {
                Ok(variable) => return Ok((variable, None)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let text = self.world.ledger.tag().text();
        self.variable.perhaps(text.clone());
        let properties = json!({"qInfo": {"qId": format!("variable-{name}"), "qType": "variable"}, "qName": name, "qDefinition": text});
        let opened = doc.create_session_variable(&properties).await?;
        opened.keep();
        Ok((opened, Some(text)))
    }
}
