//! Writes the state of the world at a moment.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    json::{self, embed, micros, object},
    lines::Look,
    pretty,
    told::{Format, since},
    world::{Standing, What, World},
};
use crate::{
    live::{self, Line, shortened, time},
    model::{Call, Object},
};

impl World {
    /// Writes what is to be told. Returns whether there was anything.
    ///
    /// # Errors
    ///
    /// As writing has.
    pub(crate) fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<bool> {
        match (&self.what, format) {
            (What::Handles, Format::Text(look)) => self.handles(look, out),
            (What::Handles, Format::Json) => {
                let mut found = false;
                for standing in self.seen() {
                    json::line(out, &self.value("handle", standing).to_string())?;
                    found = true;
                }
                Ok(found)
            }
            (What::Layouts(_), format) => self.layouts(format, out),
            (What::Selections, format) => self.selections(format, out),
        }
    }

    fn handles(&self, look: Look, out: &mut dyn Write) -> io::Result<bool> {
        let mut found = false;
        for standing in self.seen() {
            found = true;
            let Object { conn, handle, .. } = &*standing.object;
            let mut line = Line::default();
            line.column(live::Look::Dim, &format!("#{conn}"), 5);
            line.column(live::Look::Dim, &format!("{handle}"), 7);
            line.column(live::Look::Bold, &shortened(&standing.object.name(), 35), 36);
            line.column(live::Look::Plain, standing.object.class(), 18);
            let open = match standing.opened() {
                Some(opened) => format!("open {}", span(self.at.saturating_sub(opened))),
                None => "not seen to be opened".to_owned(),
            };
            line.column(live::Look::Plain, &open, 14);
            let (state_look, state) = state(standing);
            line.column(state_look, &state, 30);
            if let Some(lineage) = &standing.object.lineage {
                line.add(live::Look::Dim, qix_transport::printable(&lineage.to_string(), 1000));
            }
            look.write(out, &line)?;
        }
        Ok(found)
    }

    fn layouts(&self, format: Format, out: &mut dyn Write) -> io::Result<bool> {
        let wanted = self.wanted();
        for standing in &wanted {
            match format {
                Format::Json => {
                    let mut text = self.value("layout", standing).to_string();
                    text.pop();
                    text += ",\"layout\":";
                    match &standing.layout {
                        Some(layout) => embed(&mut text, layout),
                        None => text += "null",
                    }
                    json::line(out, &(text + "}"))?;
                }
                Format::Text(look) => {
                    let mut line = Line::default();
                    let Object { conn, handle, .. } = &*standing.object;
                    line.add(live::Look::Bold, standing.object.name());
                    line.add(live::Look::Dim, format!("  #{conn} handle {handle}  "));
                    let (state_look, state) = state(standing);
                    line.add(state_look, state);
                    look.write(out, &line)?;
                    match (&standing.layout, &standing.fetched) {
                        (Some(layout), _) => {
                            pretty::write(out, layout, 0)?;
                            writeln!(out)?;
                        }
                        // A filter that its later title passes was not there for that of then.
                        (None, Some(call)) => writeln!(
                            out,
                            "what {} makes of it is not in the recording, or the object had another title then",
                            name(call)
                        )?,
                        (None, None) => {}
                    }
                }
            }
        }
        Ok(!wanted.is_empty())
    }

    fn selections(&self, format: Format, out: &mut dyn Write) -> io::Result<bool> {
        for (conn, selected) in &self.selected {
            if let Format::Text(look) = format {
                match &selected.state {
                    Some((at, fields)) => {
                        let mut line = Line::default();
                        line.column(live::Look::Dim, &format!("#{conn}"), 5);
                        let none = if fields.is_empty() { ": nothing is selected" } else { "" };
                        line.add(live::Look::Dim, format!("as the engine said at {}{none}", since(*at)));
                        look.write(out, &line)?;
                        for (field, values) in fields {
                            let mut line = Line::default();
                            line.add(live::Look::Plain, "     ").column(live::Look::Bold, field, 24);
                            line.add(live::Look::Plain, values);
                            look.write(out, &line)?;
                        }
                    }
                    None => {
                        writeln!(out, "{:<5}the engine has not said what is selected", format!("#{conn}"))?
                    }
                }
                if selected.left_out > 0 {
                    let mut line = Line::default();
                    let left_out = selected.left_out;
                    line.add(
                        live::Look::Yellow,
                        format!("     since then, {left_out} more before what follows"),
                    );
                    look.write(out, &line)?;
                }
                for (at, words) in &selected.since {
                    let mut line = Line::default();
                    line.add(live::Look::Yellow, format!("     since then, at {}: {words}", since(*at)));
                    look.write(out, &line)?;
                }
            } else {
                let fields = selected.state.as_ref().map(|(_, fields)| {
                    fields
                        .iter()
                        .map(|(field, selected)| json!({"field": field, "selected": selected}))
                        .collect::<Vec<_>>()
                });
                let later: Vec<_> = selected
                    .since
                    .iter()
                    .map(|(at, words)| json!({"at_us": micros(*at), "words": words}))
                    .collect();
                let at = selected.state.as_ref().map(|(at, _)| micros(*at));
                let value = json!({"kind": "selections", "connection": conn, "at_us": at, "fields": fields, "since": later, "since_left_out": selected.left_out});
                json::line(out, &value.to_string())?;
            }
        }
        Ok(!self.selected.is_empty())
    }

    fn value(&self, kind: &str, standing: &Standing) -> Value {
        json!({
            "kind": kind,
            "connection": standing.object.conn,
            "object": object(&standing.object),
            "opened_us": standing.opened().map(micros),
            "opened_by": standing.object.by,
            "age_us": standing.opened().map(|opened| micros(self.at.saturating_sub(opened))),
            "fetched_seq": standing.fetched.as_ref().map(|call| call.seq),
            "fetched_us": standing.fetched.as_ref().and_then(|call| call.answer.as_ref()).map(|answer| micros(answer.at)),
            "changed_us": standing.changed.map(|(at, _)| micros(at)),
            "changed_by": standing.changed.and_then(|(_, by)| by),
        })
    }
}

fn state(standing: &Standing) -> (live::Look, String) {
    let fetched = standing.fetched.as_ref().and_then(|call| call.answer.as_ref());
    match (fetched, standing.changed) {
        (Some(answer), None) => (live::Look::Plain, format!("layout of {}", since(answer.at))),
        (Some(answer), Some((changed, _))) => {
            (live::Look::Yellow, format!("layout of {}, changed {}", since(answer.at), since(changed)))
        }
        (None, Some((changed, _))) => (live::Look::Dim, format!("no layout, changed {}", since(changed))),
        (None, None) => (live::Look::Dim, "no layout".to_owned()),
    }
}

fn name(call: &Call) -> String {
    format!("{} {}", call.method, call.seq)
}

fn span(duration: Duration) -> String {
    time(duration.as_micros() as u64)
}
