//! Names, addresses, and the TCP connection.
//!
//! The race between addresses is our own: hyper-util's connector starts the second family after a delay but keeps an address
//! that swallows packets in front of all others of its family, and neither it nor another well-kept crate lets a test put
//! its own connections in the place of the system's.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{Deadline, Target};
use crate::{ConnectError, Limits, Progress, Stage, progress::Watch};

/// How long one address may keep the next from being tried as well (RFC 8305, section 5, recommends this value).
const HEAD_START: Duration = Duration::from_millis(250);

/// How many addresses of a name are tried at most.
const MAX_ADDRESSES: usize = 16;

/// The bounds that Linux sets for the silence before the first probe, 1 and 32,767 seconds; it refuses others.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);
const LONGEST_SILENCE: Duration = Duration::from_secs(i16::MAX as u64);

/// Between two TCP keep-alive probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// Resolves a name and connects to the first of its addresses that answers.
pub(super) async fn open(
    target: Target<'_>,
    limits: &Limits,
    deadline: Deadline,
    watch: Watch<'_>,
) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<_> = deadline
        .bound(target, Stage::Resolve, lookup_host((target.host, target.port)))
        .await?
        .map_err(|source| ConnectError::Resolve { peer: target.to_string().into(), source })?
        .collect();
    let addresses = by_turns(addresses);
    watch.tell(|| Progress::Resolved { host: target.to_string().into(), addresses: addresses.clone() });
    let keep_alive = limits.keep_alive;
    let stream = deadline
        .bound(target, Stage::Tcp, race(addresses, |address| connect(address, keep_alive)))
        .await?
        .map_err(|source| ConnectError::Tcp { peer: target.to_string().into(), source })?;
    if let Ok(address) = stream.peer_addr() {
        watch.tell(|| Progress::Connected { address });
    }
    Ok(stream)
}

async fn connect(address: SocketAddr, keep_alive: Option<Duration>) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Requests are small and answers are waited for: holding them back to fill packets only costs time.
    stream.set_nodelay(true)?;
    if let Some(silence) = keep_alive {
        let probes = TcpKeepalive::new().with_time(silence.clamp(SHORTEST_SILENCE, LONGEST_SILENCE));
        // OpenBSD knows only whether, not when.
        #[cfg(not(target_os = "openbsd"))]
        let probes = probes.with_interval(PROBE_INTERVAL);
        SockRef::from(&stream).set_tcp_keepalive(&probes)?;
    }
    Ok(stream)
}

/// Returns the first connection to come about, or the last failure if there is none.
///
/// Addresses are tried in their order, each as soon as the one before has failed or has not answered
/// for a while (RFC 8305). The losers are dropped, which closes them.
async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let mut waiting = addresses.into_iter().take(MAX_ADDRESSES);
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    loop {
        attempts.extend(waiting.next().map(&connect));
        let outcome = if waiting.len() == 0 {
            attempts.next().await
        } else {
            match timeout(HEAD_START, attempts.next()).await {
                Ok(outcome) => outcome,
                Err(_) => continue,
            }
        };
        match outcome {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => return Err(last),
        }
    }
}

/// Orders addresses so that families alternate, beginning with that of the first.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let length = addresses.len();
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_family);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(length);
    while ordered.len() < length {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use tokio::{
        net::TcpListener,
        time::{Instant, sleep},
    };

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn seconds(start: Instant) -> f64 {
        start.elapsed().as_secs_f64()
    }

    #[test]
    fn families_take_turns_beginning_with_the_one_the_system_prefers() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(by_turns(given), expected);
        let given = addresses(&["1.1.1.1:1", "[::1]:1"]);
        assert_eq!(by_turns(given.clone()), given);
    }

    #[tokio::test(start_paused = true)]
    async fn address_that_swallows_packets_delays_the_next_by_a_quarter_second() {
        let start = Instant::now();
        let given = addresses(&["[::1]:1", "[::2]:1", "1.1.1.1:1"]);
        let winner = race(by_turns(given), |address| async move {
            if address.is_ipv6() { pending().await } else { Ok(address) }
        });
        assert_eq!(winner.await.unwrap(), "1.1.1.1:1".parse().unwrap());
        assert!((0.25..0.26).contains(&seconds(start)), "{}", seconds(start));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_address_does_not_delay_the_next() {
        let start = Instant::now();
        let winner = race(addresses(&["[::1]:1", "1.1.1.1:1"]), |address| async move {
            if address.is_ipv6() { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(address) }
        });
        winner.await.unwrap();
        assert_eq!(seconds(start), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_first_address_may_still_win() {
        let winner = race(addresses(&["[::1]:1", "1.1.1.1:1"]), |address| async move {
            sleep(Duration::from_millis(if address.is_ipv6() { 400 } else { 200 })).await;
            Ok(address)
        });
        assert!(winner.await.unwrap().is_ipv6());
    }

    #[tokio::test(start_paused = true)]
    async fn last_failure_is_told_when_every_address_fails() {
        let winner: io::Result<()> = race(addresses(&["1.1.1.1:1", "1.1.1.1:2"]), |address| async move {
            Err(io::Error::other(address.port().to_string()))
        })
        .await;
        assert_eq!(winner.unwrap_err().to_string(), "2");
        let none: io::Result<()> = race(Vec::new(), |_| pending()).await;
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn name_with_a_thousand_addresses_is_tried_at_sixteen() {
        let tried = RefCell::new(0);
        let result: io::Result<()> = race(addresses(&["1.1.1.1:1"; 1000]), |_| async {
            *tried.borrow_mut() += 1;
            Err(io::ErrorKind::ConnectionRefused.into())
        })
        .await;
        assert!(result.is_err());
        assert_eq!(tried.into_inner(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn connection_has_no_delay_and_probes_after_the_silence_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = connect(address, Some(Duration::from_secs(45))).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(SockRef::from(&stream).tcp_keepalive_time().unwrap(), Duration::from_secs(45));
            assert_eq!(SockRef::from(&stream).tcp_keepalive_interval().unwrap(), PROBE_INTERVAL);
        }
        for silence in [Duration::ZERO, Duration::from_secs(36_000), Duration::MAX] {
            connect(address, Some(silence)).await.expect("silences out of bounds are brought into them");
        }
        let stream = connect(address, None).await.unwrap();
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}
