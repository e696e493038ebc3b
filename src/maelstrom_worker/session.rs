//! The session with the engine: the worker receives leases and reports results.
//!
//! The engine calls a worker a *bot*. Each update of the bot's session lists all leases that the
//! worker has. The answer lists all leases that it should have: a new lease is an action to run, a
//! missing one was cancelled. While there is nothing new and the worker has free slots, the engine
//! delays its answer. Therefore a worker that
//!
//! - is idle sends an update, which is answered when there is work;
//! - runs actions sends an update with a short deadline every second, to learn which leases were
//!   cancelled, and between these an update like an idle worker's if it has free slots;
//! - has a result aborts the update that is waiting and sends one with the result.
//!
//! A lost answer does no harm: an update names the version of the last answer that arrived, and
//! the engine repeats what came after. An update that failed is sent again after an increasing
//! wait, while actions continue. A worker whose machine fails, for example with a full disk,
//! accepts no leases for a while, as every action would fail there. If the engine no longer knows
//! the session, the worker cancels all leases and begins a new session.

use super::action::{ActionRunner, Finished};
use super::error::WorkError;
use crate::config::Property;
use crate::engine::{Backoff, ISA, OS_FAMILY, Problem};
use crate::process::{Interrupts, end_at_next};
use googleapis_tonic_google_devtools_remoteworkers_v1test2::google::devtools::remoteworkers::v1test2 as rwapi;
use prost::Message;
use rwapi::bots_client::BotsClient;
use rwapi::{
    BotSession, BotStatus, CreateBotSessionRequest, Device, Lease, LeaseState,
    UpdateBotSessionRequest, Worker, device, worker,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tonic::{Code, Request};

/// The deadline of an idle worker's update. Engines have shorter limits of their own.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);

/// The deadline of an update that should be answered at once. It is long enough for a busy engine.
const SHORT_DEADLINE: Duration = Duration::from_millis(3500);

/// How often a worker that runs actions asks which leases were cancelled.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long actions may continue after the worker was told to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(300);

/// The total size of the leases in an update that has more than one result, in bytes. Engines
/// refuse messages of more than 4 MiB.
const MAX_UPDATE_SIZE: usize = 2 << 20;

pub struct WorkerSession {
    runner: Rc<ActionRunner>,
    capacity: usize,
    /// The session as it is sent. Its name is empty before the engine has created it.
    bot: BotSession,
    leases: BTreeMap<String, Lease>,
    running: JoinSet<(String, Finished)>,
    running_leases: HashMap<String, AbortHandle>,
    backoff: Backoff,
    /// The next update is not sent before this time.
    not_before: Instant,
    /// When to ask which leases were cancelled.
    next_cancel_check: Instant,
    /// The worker accepts no leases before this time, because its machine failed.
    unhealthy_until: Option<Instant>,
    /// The wait after the next fault of the machine.
    fault_backoff: Backoff,
    /// When the worker was told to end.
    ending: Option<Instant>,
}

/// An event that changes the session.
enum SessionEvent {
    Finished(String, Box<Finished>),
    Answered(Box<Result<UpdateAnswer, Problem>>),
    Interrupted,
    /// A deadline passed: for asking which leases were cancelled, or for ending.
    Time,
}

/// The answer to an update.
struct UpdateAnswer {
    session: BotSession,
    /// The leases whose results the update reported.
    reported: HashSet<String>,
}

impl WorkerSession {
    pub fn new(
        runner: ActionRunner,
        bot_id: &str,
        capacity: usize,
        properties: &[Property],
    ) -> Self {
        Self {
            runner: Rc::new(runner),
            capacity,
            bot: BotSession {
                bot_id: bot_id.to_owned(),
                status: BotStatus::Ok.into(),
                worker: Some(describe(capacity, properties)),
                ..BotSession::default()
            },
            leases: BTreeMap::new(),
            running: JoinSet::new(),
            running_leases: HashMap::new(),
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
            not_before: Instant::now(),
            next_cancel_check: Instant::now(),
            unhealthy_until: None,
            fault_backoff: new_fault_backoff(),
            ending: None,
        }
    }

    /// Runs leases until the worker was told to end and has finished its leases. Must run in a
    /// `LocalSet`.
    pub async fn serve(mut self, interrupts: &mut Interrupts) {
        while self.ending.is_none() || !self.leases.is_empty() {
            match self.next(interrupts).await {
                SessionEvent::Finished(id, finished) => self.finish(&id, &finished),
                SessionEvent::Answered(answer) => match *answer {
                    Ok(answer) => self.apply(answer),
                    Err(problem) => self.handle_problem(&problem),
                },
                SessionEvent::Interrupted => self.end(),
                SessionEvent::Time => self.next_cancel_check = Instant::now(),
            }
            if self
                .ending
                .is_some_and(|since| since.elapsed() > SHUTDOWN_GRACE)
            {
                self.abort_running();
            }
        }
        if !self.bot.name.is_empty() {
            self.bot.status = BotStatus::BotTerminating.into();
            // If this update fails, the engine notices the end of the session later.
            let _ = self.update(SHORT_DEADLINE).await;
        }
    }

    async fn next(&mut self, interrupts: &mut Interrupts) -> SessionEvent {
        let now = Instant::now();
        if self.unhealthy_until.is_some_and(|until| now >= until) {
            self.unhealthy_until = None;
        }
        let is_healthy = self.unhealthy_until.is_none() && self.ending.is_none();
        let status = if is_healthy {
            BotStatus::Ok
        } else {
            BotStatus::Unhealthy
        };
        self.bot.status = status.into();
        let is_idle = self.running_leases.is_empty();
        let has_result = self.running_leases.len() < self.leases.len();
        // The engine answers at once if the worker accepts no leases.
        let is_full = self.leases.len() >= self.capacity || !is_healthy;
        let (not_before, deadline, until) =
            if has_result || (!is_idle && now >= self.next_cancel_check) {
                (self.not_before, SHORT_DEADLINE, None)
            } else if is_full {
                (
                    self.next_cancel_check.max(self.not_before),
                    SHORT_DEADLINE,
                    None,
                )
            } else if is_idle {
                (self.not_before, IDLE_DEADLINE, None)
            } else {
                (
                    self.not_before,
                    IDLE_DEADLINE,
                    Some(self.next_cancel_check.max(self.not_before)),
                )
            };
        // Polled beside `asking`, which only looks at the rest.
        let mut running = std::mem::take(&mut self.running);
        let asking = async {
            tokio::time::sleep_until(not_before).await;
            if self.bot.name.is_empty() {
                self.create().await
            } else {
                self.update(deadline).await
            }
        };
        let until = until.or(self.ending.map(|since| since + SHUTDOWN_GRACE));
        let time = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            Some(joined) = running.join_next(), if !running.is_empty() => match joined {
                Ok((id, finished)) => SessionEvent::Finished(id, Box::new(finished)),
                Err(error) if error.is_cancelled() => SessionEvent::Time,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            _ = interrupts.next() => SessionEvent::Interrupted,
            answer = asking => SessionEvent::Answered(Box::new(answer)),
            () = time => SessionEvent::Time,
        };
        self.running = running;
        event
    }

    async fn create(&self) -> Result<UpdateAnswer, Problem> {
        let engine = &self.runner.engine;
        let mut request = Request::new(CreateBotSessionRequest {
            parent: engine.instance().to_owned(),
            bot_session: Some(self.bot.clone()),
        });
        // The engine may delay this answer too, but the worker needs the name of its session.
        request.set_timeout(SHORT_DEADLINE);
        let mut bots = BotsClient::new(engine.service());
        let session = within(SHORT_DEADLINE, bots.create_bot_session(request)).await?;
        Ok(UpdateAnswer {
            session,
            reported: HashSet::new(),
        })
    }

    async fn update(&self, deadline: Duration) -> Result<UpdateAnswer, Problem> {
        let (leases, reported) = leases_to_report(&self.leases);
        let session = BotSession {
            leases,
            ..self.bot.clone()
        };
        let mut request = Request::new(UpdateBotSessionRequest {
            name: session.name.clone(),
            bot_session: Some(session),
            ..UpdateBotSessionRequest::default()
        });
        request.set_timeout(deadline);
        let mut bots = BotsClient::new(self.runner.engine.service());
        let session = within(deadline, bots.update_bot_session(request)).await?;
        Ok(UpdateAnswer { session, reported })
    }

    /// Starts the new leases of an answer, and aborts those that are missing from it.
    fn apply(&mut self, answer: UpdateAnswer) {
        let UpdateAnswer {
            session: answer,
            reported,
        } = answer;
        if self.bot.name.is_empty() {
            tracing::info!("session {} begins", answer.name);
        }
        self.bot.name = answer.name;
        self.bot.version = answer.version;
        self.backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        self.not_before = Instant::now();
        self.next_cancel_check = self.not_before + CANCEL_CHECK_INTERVAL;
        self.leases.retain(|id, _| !reported.contains(id));
        let wanted: BTreeMap<_, _> = answer
            .leases
            .into_iter()
            .filter(|lease| lease.state != i32::from(LeaseState::Cancelled))
            .map(|lease| (lease.id.clone(), lease))
            .collect();
        let gone: Vec<_> = self
            .leases
            .keys()
            .filter(|id| !wanted.contains_key(*id))
            .cloned()
            .collect();
        for id in gone {
            self.abort(&id);
            tracing::info!("lease {id} was cancelled");
        }
        for (id, lease) in wanted {
            if !reported.contains(&id) && !self.leases.contains_key(&id) {
                self.start_lease(id, lease);
            }
        }
    }

    fn start_lease(&mut self, id: String, mut lease: Lease) {
        lease.state = LeaseState::Active.into();
        let message = lease.payload.as_ref().map(|payload| payload.value.clone());
        self.leases.insert(id.clone(), lease);
        if self.ending.is_some() {
            self.finish(
                &id,
                &Finished::failed(&WorkError::Ending, &self.runner.worker),
            );
            return;
        }
        let runner = Rc::clone(&self.runner);
        let name = id.clone();
        let task = async move {
            let finished = runner.run(&name, &message.unwrap_or_default()).await;
            (name, finished)
        };
        self.running_leases
            .insert(id, self.running.spawn_local(task));
    }

    fn finish(&mut self, id: &str, finished: &Finished) {
        self.running_leases.remove(id);
        if finished.worker_fault {
            let wait = self.fault_backoff.wait();
            tracing::warn!("no further leases for {} s", wait.as_secs_f32());
            self.unhealthy_until = Some(Instant::now() + wait);
        } else if finished.result.is_some() {
            self.fault_backoff = new_fault_backoff();
        }
        let Some(lease) = self.leases.get_mut(id) else {
            return;
        };
        lease.state = LeaseState::Completed.into();
        // The two crates have types of their own for the same message.
        lease.status = Message::decode(&*finished.status.encode_to_vec()).ok();
        lease.result = finished.result.as_ref().map(|result| prost_types::Any {
            type_url: "type.googleapis.com/build.bazel.remote.execution.v2.ActionResult".to_owned(),
            value: result.encode_to_vec(),
        });
    }

    fn abort(&mut self, id: &str) {
        self.leases.remove(id);
        if let Some(task) = self.running_leases.remove(id) {
            task.abort();
        }
    }

    fn handle_problem(&mut self, problem: &Problem) {
        let wait = self.backoff.wait();
        self.not_before = Instant::now() + wait;
        let is_forgotten = matches!(problem.code(), Some(Code::InvalidArgument | Code::NotFound));
        if is_forgotten && !self.bot.name.is_empty() {
            tracing::warn!(
                "the engine no longer knows session {} ({problem}); cancelling {} leases",
                self.bot.name,
                self.leases.len()
            );
            let all: Vec<_> = self.leases.keys().cloned().collect();
            for id in all {
                self.abort(&id);
            }
            self.bot.name.clear();
            self.bot.version.clear();
            return;
        }
        tracing::warn!(
            "the update of the session at {} failed, trying again in {} ms: {problem}",
            self.runner.engine.endpoint(),
            wait.as_millis()
        );
    }

    /// Accepts no further leases.
    fn end(&mut self) {
        if self.ending.is_none() {
            end_at_next();
            tracing::info!("ending after {} running leases", self.running_leases.len());
            self.ending = Some(Instant::now());
        }
    }

    /// Aborts the running leases, so that the engine gives them to other workers.
    fn abort_running(&mut self) {
        let running: Vec<_> = self.running_leases.keys().cloned().collect();
        for id in running {
            if let Some(task) = self.running_leases.remove(&id) {
                task.abort();
            }
            tracing::warn!("lease {id} was aborted: the worker is ending");
            self.finish(
                &id,
                &Finished::failed(&WorkError::Ending, &self.runner.worker),
            );
        }
    }
}

/// The leases of an update, and the ids of those whose results it reports. Results that would make
/// the update too large are left for the next one: until then these leases are sent as running.
fn leases_to_report(leases: &BTreeMap<String, Lease>) -> (Vec<Lease>, HashSet<String>) {
    let mut reported = HashSet::new();
    let mut size = 0;
    let update = leases.iter().map(|(id, lease)| {
        if lease.state != i32::from(LeaseState::Completed) {
            return lease.clone();
        }
        let own = lease.encoded_len();
        if reported.is_empty() || size + own <= MAX_UPDATE_SIZE {
            size += own;
            reported.insert(id.clone());
            return lease.clone();
        }
        Lease {
            state: LeaseState::Active.into(),
            status: None,
            result: None,
            ..lease.clone()
        }
    });
    (update.collect(), reported)
}

fn new_fault_backoff() -> Backoff {
    Backoff::new(Duration::from_secs(2), Duration::from_secs(60))
}

/// Waits for a call. The engine should end it at the deadline, and has 2 s more to do so.
async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(deadline + Duration::from_secs(2), call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(Problem::TimedOut(deadline)),
    }
}

fn describe(capacity: usize, properties: &[Property]) -> Worker {
    let builtin = [("OSFamily", OS_FAMILY), ("ISA", ISA)];
    let is_given = |key: &str| properties.iter().any(|property| property.key == key);
    let properties = builtin
        .into_iter()
        .filter(|(key, _)| !is_given(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .chain(properties.iter().map(|p| (p.key.clone(), p.value.clone())))
        .map(|(key, value)| device::Property { key, value });
    Worker {
        devices: vec![Device {
            handle: "machine".to_owned(),
            properties: properties.collect(),
        }],
        configs: vec![worker::Config {
            key: "capacity".to_owned(),
            value: capacity.to_string(),
        }],
        ..Worker::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_has_no_more_results_than_an_engine_takes_in_one_message() {
        let lease = |id: &str, state: LeaseState, size| {
            let lease = Lease {
                id: id.to_owned(),
                state: state.into(),
                result: Some(prost_types::Any {
                    value: vec![0; size],
                    ..prost_types::Any::default()
                }),
                ..Lease::default()
            };
            (id.to_owned(), lease)
        };
        let mut leases = BTreeMap::from([
            lease("a", LeaseState::Active, 0),
            lease("b", LeaseState::Completed, MAX_UPDATE_SIZE / 2),
            lease("c", LeaseState::Completed, MAX_UPDATE_SIZE),
            lease("d", LeaseState::Completed, MAX_UPDATE_SIZE / 4),
            // One result alone may exceed the limit.
            lease("e", LeaseState::Completed, MAX_UPDATE_SIZE * 2),
        ]);
        let mut rounds = Vec::new();
        while leases.len() > 1 {
            let (update, reported) = leases_to_report(&leases);
            assert_eq!(update.len(), leases.len());
            for lease in &update {
                let is_reported = lease.state == i32::from(LeaseState::Completed);
                assert_eq!(is_reported, reported.contains(&lease.id));
                assert!(is_reported || lease.id == "a" || lease.result.is_none());
            }
            leases.retain(|id, _| !reported.contains(id));
            let mut reported: Vec<_> = reported.into_iter().collect();
            reported.sort_unstable();
            rounds.push(reported.concat());
        }
        assert_eq!(rounds, ["bd", "c", "e"]);
    }
}
