//! Rounds of sessions that do random things while their sockets are cut, and what must hold all the time.

mod chance;
mod figures;
mod ledger;
mod model;
mod probe;
mod saboteur;
mod worker;

use std::{sync::Arc, time::Duration};

use qix_tests::{FakeEngine, FakeEngineConfig, fake_engine::Observer};
use tokio::{runtime::Handle, task::JoinSet, time::Instant};

pub(crate) use self::figures::Figures;
use self::{chance::Chance, ledger::Ledger, model::Table, worker::Worker};

/// What to do, and for how long.
pub(crate) struct Plan {
    /// Start of all chance; sockets and the scheduler add their own.
    pub(crate) seed: u64,
    /// Sessions at once.
    pub(crate) sessions: usize,
    /// How long all rounds last together, at least.
    pub(crate) time: Duration,
    /// How long a round lasts.
    pub(crate) round: Duration,
    /// Whether each round prints a line.
    pub(crate) prints: bool,
}

/// What is wrong, in a sentence.
pub(crate) type Fault = String;

// Sessions outlive their sockets for so long; a client that comes back within that time is attached.
const TTL: Duration = Duration::from_secs(2);

// A call that takes longer than this has no end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all workers share.
struct World {
    engine: FakeEngine,
    ledger: Arc<Ledger>,
    table: Table,
    figures: Figures,
}

/// Runs to the end of the plan, or to the first fault.
///
/// # Errors
///
/// What was wrong first.
pub(crate) async fn run(plan: Plan) -> Result<Figures, Fault> {
    let ledger = Arc::new(Ledger::default());
    let seen = ledger.clone();
    let mut config = FakeEngineConfig::default();
    config.log_limit = 0;
    config.max_ttl = TTL;
    config.observer = Some(Observer::new(move |_, text| seen.see(text)));
    let engine = FakeEngine::start(config).await.map_err(|error| error.to_string())?;
    let table = Table::read(&engine).await?;
    let world = Arc::new(World { engine, ledger, table, figures: Figures::default() });
    let started = Instant::now();
    let mut chance = Chance::new(plan.seed);
    empty(&world, None).await?;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut round = 0;
    while started.elapsed() < plan.time {
        let rest = plan.time.saturating_sub(started.elapsed());
        play(&world, &plan, round, &mut chance, plan.round.min(rest).max(Duration::from_secs(1))).await?;
        empty(&world, Some(tasks)).await?;
        round += 1;
        world.figures.round(world.engine.session_objects());
        if plan.prints {
            #[expect(clippy::print_stdout, reason = "somebody watches for half an hour")]
            {
                println!("{:>5} s  {}", started.elapsed().as_secs(), world.figures.line());
            }
        }
    }
    Ok(Arc::into_inner(world).ok_or("a session has outlived its round")?.figures)
}

/// One round: sessions of their own and in pairs, and somebody who cuts their sockets.
async fn play(
    world: &Arc<World>,
    plan: &Plan,
    round: u64,
    chance: &mut Chance,
    time: Duration,
) -> Result<(), Fault> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for number in 0..plan.sessions {
        let worker = Worker::new(world.clone(), chance.fork(), round, number);
        tasks.spawn(worker.run(end));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let saboteur = tokio::spawn(saboteur::run(world.clone(), chance.fork(), stopped));
    let mut first = Ok(());
    // Some time for the calls that are on their way when the round ends.
    let last = end + PATIENCE * 2;
    loop {
        match tokio::time::timeout_at(last, tasks.join_next()).await {
            Err(_) => return Err("a session does not come to its end".into()),
            Ok(None) => break,
            Ok(Some(done)) => {
                let done = done.unwrap_or_else(|error| Err(error.to_string()));
                if done.is_err() {
                    first = done;
                    break;
                }
            }
        }
    }
    // The saboteur may be done already.
    let _ = stop.send(());
    saboteur.await.map_err(|error| error.to_string())?;
    first?;
    world.ledger.check()
}

/// Waits until nothing is left of a round: no socket, session, object or task.
async fn empty(world: &World, tasks: Option<usize>) -> Result<(), Fault> {
    let last = Instant::now() + PATIENCE;
    loop {
        let left = (world.engine.open_sockets(), world.engine.sessions(), world.engine.session_objects());
        let running = Handle::current().metrics().num_alive_tasks();
        if left == (0, 0, 0) && tasks.is_none_or(|before| running <= before) {
            return Ok(());
        }
        if Instant::now() > last {
            return Err(format!(
                "left over after a round: {left:?} sockets, sessions, objects; {running} tasks"
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
