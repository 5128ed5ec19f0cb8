//! When to connect again, how often and how soon.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use qix_protocol::{Advice, CloseCode};
use qix_transport::{Closed, ClosedBy};

/// What a session does when its socket ends, and how it resumes.
///
/// A session that resumes connects anew, opens the app again and makes its objects again, so that those who hold them can go on:
/// see [`ResumeReport`](crate::ResumeReport).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResumePolicy {
    /// Whether to connect again without being told. Default: as [`never`](Self::never), [`by_hand`](Self::by_hand) or
    /// [`automatic`](Self::automatic) say.
    pub automatic: bool,
    /// Whether to be suspended rather than to end when the socket ends and there is no automatic resume for its code.
    pub suspends: bool,
    /// The close codes after which to connect again; none for those whose [advice](Closed::advice) is to reconnect, at once or
    /// later, which is also said of connections that break.
    pub codes: Option<Vec<CloseCode>>,
    /// Whether it counts as a failure if the engine has no session any more, as gopherciser sees it. Default false.
    pub only_if_attached: bool,
    /// The pause before the second attempt; it grows by half from one attempt to the next. Before the first there is one
    /// only if the close code's advice is to reconnect *later*. Default 2 seconds.
    pub pause: Duration,
    /// The longest pause between two attempts. Default 30 seconds.
    pub longest_pause: Duration,
    /// How much pauses vary by chance, so that a thousand sessions do not all come back in the same moment: 0.2 for up to a fifth
    /// less. Default 0.2.
    pub jitter: f64,
    /// How many attempts there are before the session ends. Default 20.
    pub max_attempts: u32,
    /// After how long no further attempt is made. Default 10 minutes.
    pub max_time: Duration,
    /// How long to wait for the engine's greeting on a new socket; silence counts as a session created, unless the app is open. Default
    /// 5 seconds, as enigma.js.
    pub greeting_timeout: Duration,
    /// How long opening the app and its objects may take on a new socket, once it is connected. Default 5 minutes.
    pub restore_timeout: Duration,
    /// For how long the engine keeps the latest selections for a resume in a new session; none for not at all. Default none.
    pub selections: Option<Duration>,
}

/// What to do when a socket has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    End,
    Suspend,
    Resume { at_once: bool },
}

impl ResumePolicy {
    /// The session ends with its socket, unless it was suspended by hand.
    pub fn never() -> Self {
        Self {
            automatic: false,
            suspends: false,
            codes: None,
            only_if_attached: false,
            pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(30),
            jitter: 0.2,
            max_attempts: 20,
            max_time: Duration::from_secs(600),
            greeting_timeout: Duration::from_secs(5),
            restore_timeout: Duration::from_secs(300),
            selections: None,
        }
    }

    /// The session is suspended when its socket ends, until [`Session::resume`](crate::Session::resume), as enigma.js does with
    /// `suspendOnClose`. Ends that are final, such as 1000 and failed authentication, end the session.
    pub fn by_hand() -> Self {
        Self { suspends: true, ..Self::never() }
    }

    /// The session connects again by itself: at once after codes such as 4003, otherwise after a pause. Ends that are final end it.
    pub fn automatic() -> Self {
        Self { automatic: true, ..Self::never() }
    }

    /// Sets [`codes`](Self::codes). 1006 stands for connections that break.
    pub fn codes(mut self, codes: impl IntoIterator<Item = CloseCode>) -> Self {
        self.codes = Some(codes.into_iter().collect());
        self
    }

    /// Sets [`only_if_attached`](Self::only_if_attached).
    pub fn only_if_attached(mut self, only: bool) -> Self {
        self.only_if_attached = only;
        self
    }

    /// Sets [`pause`](Self::pause) and [`longest_pause`](Self::longest_pause).
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.pause, self.longest_pause) = (first, longest.max(first));
        self
    }

    /// Sets [`jitter`](Self::jitter); what is below 0 or above 1 counts as that.
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        self
    }

    /// Sets [`max_attempts`](Self::max_attempts); 0 counts as 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Sets [`max_time`](Self::max_time).
    pub fn max_time(mut self, time: Duration) -> Self {
        self.max_time = time;
        self
    }

    /// Sets [`greeting_timeout`](Self::greeting_timeout).
    pub fn greeting_timeout(mut self, time: Duration) -> Self {
        self.greeting_timeout = time;
        self
    }

    /// Sets [`restore_timeout`](Self::restore_timeout).
    pub fn restore_timeout(mut self, time: Duration) -> Self {
        self.restore_timeout = time;
        self
    }

    /// Lets selections survive the loss of the engine's session: after they have changed and settled, the engine is asked to store
    /// them for `ttl` (`StoreTempSelectionState`, stored again when half of the time has passed), and they are restored before
    /// objects hear of the resume. Alternate states and a modal selection are lost all the same.
    pub fn restore_selections(mut self, ttl: Duration) -> Self {
        self.selections = Some(ttl.max(Duration::from_secs(1)));
        self
    }

    /// Judges the end of a socket; `doomed` if a notification has announced an end that will repeat itself.
    pub(crate) fn judge(&self, closed: &Closed, doomed: bool) -> Verdict {
        let advice = closed.advice();
        let ours = closed.by == ClosedBy::Us;
        let wanted = match &self.codes {
            Some(codes) => !ours && codes.contains(&closed.code),
            None => advice != Advice::Final,
        };
        if self.automatic && wanted && !doomed {
            Verdict::Resume { at_once: advice == Advice::Reconnect }
        } else if self.suspends && !ours && !doomed && advice != Advice::Final {
            Verdict::Suspend
        } else {
            Verdict::End
        }
    }

    /// Returns how long to wait before an attempt, counted from 1.
    pub(crate) fn pause_before(&self, attempt: u32, at_once: bool) -> Duration {
        if attempt == 1 && at_once {
            return Duration::ZERO;
        }
        let growth = 1.5_f64.powi(attempt.saturating_sub(if at_once { 2 } else { 1 }).min(64).cast_signed());
        let seconds = (self.pause.as_secs_f64() * growth).min(self.longest_pause.as_secs_f64());
        // A hasher with random keys is the chance that the standard library has.
        let chance = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        let seconds = seconds * (1.0 - self.jitter * chance);
        Duration::try_from_secs_f64(seconds).unwrap_or(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(code: u16) -> Closed {
        Closed::new(CloseCode::new(code), "", ClosedBy::Peer)
    }

    #[test]
    fn close_codes_are_judged_by_their_advice_unless_they_are_named() {
        let automatic = ResumePolicy::automatic();
        let judge = |policy: &ResumePolicy, code| policy.judge(&peer(code), false);
        for code in [1000, 4000, 4005, 4006, 4202, 4204, 4230] {
            assert_eq!(judge(&automatic, code), Verdict::End, "{code}");
        }
        for code in [4003, 4004, 4007, 4206, 4222] {
            assert_eq!(judge(&automatic, code), Verdict::Resume { at_once: true }, "{code}");
        }
        for code in [1001, 1006, 1011, 1012, 4001, 4205, 4999] {
            assert_eq!(judge(&automatic, code), Verdict::Resume { at_once: false }, "{code}");
        }
        let lost = Closed::broken(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(automatic.judge(&lost, false), Verdict::Resume { at_once: false });
        assert_eq!(automatic.judge(&lost, true), Verdict::End);
        let named = ResumePolicy::automatic().codes([CloseCode::new(4204)]);
        assert_eq!(judge(&named, 4204), Verdict::Resume { at_once: false });
        assert_eq!(judge(&named, 4003), Verdict::End);
        assert_eq!(judge(&ResumePolicy::never(), 4003), Verdict::End);
        assert_eq!(judge(&ResumePolicy::by_hand(), 4003), Verdict::Suspend);
        assert_eq!(judge(&ResumePolicy::by_hand(), 1000), Verdict::End);
        let ours = Closed::new(CloseCode::TOO_BIG, "", ClosedBy::Us);
        assert_eq!(automatic.judge(&ours, false), Verdict::End);
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_vary_downwards() {
        let policy = ResumePolicy::automatic().jitter(0.0);
        let pauses =
            |at_once| [1, 2, 3, 100].map(|attempt| policy.pause_before(attempt, at_once).as_millis());
        assert_eq!(pauses(true), [0, 2000, 3000, 30_000]);
        assert_eq!(pauses(false), [2000, 3000, 4500, 30_000]);
        let policy = policy.jitter(0.5);
        for _ in 0..100 {
            let pause = policy.pause_before(1, false).as_millis();
            assert!((1000..=2000).contains(&pause), "{pause}");
        }
    }

    #[test]
    fn no_setting_makes_a_pause_that_cannot_be() {
        let mut policy = ResumePolicy::automatic().pauses(Duration::MAX, Duration::MAX);
        assert!(policy.pause_before(1, false) > Duration::ZERO);
        for jitter in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
            policy.jitter = jitter;
            for attempt in 1..10 {
                policy.pause_before(attempt, false);
            }
        }
    }
}
