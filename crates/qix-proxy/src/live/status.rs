//! The line at the bottom: where the recording stands.

use super::{
    feed::{Counters, Status},
    line::{Line, Look, size},
};
use crate::record::Side;

/// Makes the status line.
pub(super) fn line(status: &Status, counters: &Counters, in_flight: usize) -> Line {
    let mut line = Line::default();
    let file = status.file.file_name().unwrap_or_default().to_string_lossy();
    line.add(Look::Red, "● ").add(Look::Plain, format!("{} open", counters.open()));
    line.add(Look::Plain, format!(" · {in_flight} in flight"));
    let crossed = |from| counters.bytes(from) + counters.bodies(from);
    let (up, down) = (crossed(Side::Client), crossed(Side::Engine));
    line.add(Look::Plain, format!(" · ↑ {} ↓ {}", size(up), size(down)));
    // Before the name of the file, which a narrow terminal may cut.
    match status.missing {
        0 => line.add(Look::Plain, " · 0 dropped · "),
        1 => {
            line.add(Look::Plain, " · ").add(Look::Alarm, " 1 MESSAGE NOT RECORDED ").add(Look::Plain, " · ")
        }
        missing => line
            .add(Look::Plain, " · ")
            .add(Look::Alarm, format!(" {missing} MESSAGES NOT RECORDED "))
            .add(Look::Plain, " · "),
    };
    let file = qix_transport::printable(&file, 200);
    line.add(Look::Plain, format!("{file} {}", size(status.file_size)));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Observer, Seen, Standing};

    fn shown(missing: u64, colour: bool) -> String {
        let feed = super::super::feed::Feed::new();
        feed.saw(1, 0, &Seen::Opened { url: "/" });
        feed.saw(1, 0, &Seen::Bytes { from: Side::Engine, count: 4_500_000 });
        let file = std::path::Path::new("folder/session.qixrec");
        feed.stands(&Standing { file, file_size: 4_600, bytes: 4_600, files: 1, missing });
        let mut out = String::new();
        line(&feed.status(), feed.counters(), 2).write(&mut out, None, colour);
        out
    }

    #[test]
    fn status_has_connections_calls_bytes_drops_and_file() {
        assert_eq!(
            shown(0, false),
            "● 1 open · 2 in flight · ↑ 0 B ↓ 4.5 MB · 0 dropped · session.qixrec 4.6 kB"
        );
    }

    #[test]
    fn messages_that_were_not_recorded_are_loud() {
        assert!(shown(12, false).contains(" 12 MESSAGES NOT RECORDED "));
        assert!(shown(12, true).contains("\x1b[1;37;41m 12 MESSAGES NOT RECORDED \x1b[0m"));
    }
}
