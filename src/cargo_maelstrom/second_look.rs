//! The second look at a failed test: what of this machine did it need?
//!
//! The test runs once more, observed, in its own container. If it fails again and asked for files
//! that only this machine has, it runs in its container over a view of the machine. If it passes
//! there, the facts tell what it may need. The needs are proven if the test passes in its ordinary
//! container with them, and fails again without them.
//!
//! The first of these runs costs little more than the test itself. A view of the machine takes
//! several times as long to make, and it changes nothing for a test that asked for nothing that the
//! machine has.

use super::surroundings::{Surroundings, container_path};
use super::test_run::RunSettings;
use crate::container::Step;
use crate::executor::{
    Captured, Container, Job, LocalExecutor, Outcome, Output, Status, out_of_memory,
};
use crate::needs::{self, Candidates, Need, Needs, Places};
use crate::observe::{Facts, Found, Incomplete};
use crate::process::error_chain;
use crate::test_job::{TestCase, TestContainerBuilder};
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The shortest time limit of a second look.
const SHORTEST_LIMIT: Duration = Duration::from_secs(30);

/// The same if needs are learned. A test that lacks a compiler fails at once, and may need minutes
/// with it.
const SHORTEST_LEARNING_LIMIT: Duration = Duration::from_secs(300);

/// The time limit of a second look is this many times the duration of the first run.
const LIMIT_FACTOR: u32 = 10;

/// Tests that are shorter are run twice with the needs and twice without them, since a test that
/// fails at random may do so once at the right moment.
const SHORT: Duration = Duration::from_secs(1);

/// The most runs that leave out needs to find out whether they matter.
const MOST_TRIALS: usize = 30;

/// The most time for these runs.
const MOST_TRIAL_TIME: Duration = Duration::from_secs(2);

/// The parts of a run that second looks need.
pub struct SecondLook {
    pub running: RunSettings,
    pub containers: Arc<TestContainerBuilder>,
    pub executor: Rc<LocalExecutor>,
    pub surroundings: Arc<Surroundings>,
    /// For comparing needs with directives.
    pub places: Places,
}

/// The files that an observed run sees.
#[derive(Clone, Copy)]
enum View {
    /// Those of its container.
    Container,
    /// Those of this machine too.
    Machine,
}

/// The result of a second look.
#[derive(Debug)]
pub enum Looked {
    /// The test passes with these needs, and fails without them. The outcome is that of the run
    /// with them.
    Proven { outcome: Box<Outcome>, needs: Needs },
    /// The test passes with variables of the client that may be secret, and fails without them.
    NeedsSecrets(Vec<String>),
    /// The test passed when it was run again, and no need explains that.
    PassedAgain {
        /// Why the facts may be incomplete.
        incomplete: BTreeSet<Incomplete>,
        /// Files that it read and that are not given to tests.
        withheld: Vec<Utf8PathBuf>,
    },
    /// The test failed again.
    Failed {
        facts: Arc<Facts>,
        /// What it used of this machine.
        used: Needs,
        stderr: Captured,
        /// Files that it looked for in its home directory and that the user's home has, relative to
        /// these.
        in_home: Vec<String>,
    },
    /// The test could not be observed, or did not end, for this reason.
    Impossible(String),
    /// Nothing can be observed on this machine, for this reason.
    Unavailable(String),
}

impl SecondLook {
    /// Looks at a test that failed with the outcome `first` in this container. All runs are on
    /// this slot, and on this one of the test's group.
    pub async fn at(
        &self,
        case: &TestCase,
        container: &Arc<Container>,
        first: &Outcome,
        slot: usize,
        group_slot: Option<u32>,
    ) -> Looked {
        let mut job = self.job(case, container, first);
        job.group_slot = group_slot;
        let (secret, mut variables): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (client_variables(&job).into_iter()).partition(|(name, _)| needs::may_be_secret(name));
        let in_container = self.observe(&job, &variables, View::Container, slot).await;
        let (mut outcome, mut facts) = match in_container {
            Ok(observed) => observed,
            Err(looked) => return looked,
        };
        if !outcome.is_success() && self.surroundings.show_more(&facts) {
            (outcome, facts) = match self.observe(&job, &variables, View::Machine, slot).await {
                Ok(observed) => observed,
                Err(looked) => return looked,
            };
        }
        let identity = if outcome.is_success() {
            Needs::default()
        } else {
            git_identity(&job, &facts)
        };
        if !identity.is_empty()
            && let Some(job) = self.with_needs(case, &job, &identity).await
            && let Ok(observed) = self.observe(&job, &variables, View::Machine, slot).await
        {
            (outcome, facts) = observed;
        }
        if !outcome.is_success() {
            let candidates = self.candidates(&job, &facts, secret.clone()).await;
            let (files, named) = candidates.unwrap_or_default();
            let failed = Looked::Failed {
                in_home: files_of_home(&job, &facts),
                facts,
                used: files.used,
                stderr: outcome.stderr,
            };
            if named.is_empty() {
                return failed;
            }
            variables.extend(secret);
            // What the test prints with secret variables is neither shown nor kept.
            facts = match self.observe(&job, &variables, View::Machine, slot).await {
                Ok((outcome, facts)) if outcome.is_success() => facts,
                _ => return failed,
            };
        }
        let candidates = self.candidates(&job, &facts, variables).await;
        let (files, named) = candidates.unwrap_or_default();
        let variables = Needs(named.into_iter().map(Need::Variable).collect());
        let sets = sets(&files, &variables, &identity);
        match self.prove(case, &job, sets, slot).await {
            Some((_, needs)) if !needs.secrets().is_empty() => {
                Looked::NeedsSecrets(needs.secrets())
            }
            Some((outcome, needs)) => Looked::Proven {
                outcome: Box::new(outcome),
                needs,
            },
            None => Looked::PassedAgain {
                incomplete: facts.incomplete.clone(),
                withheld: files.withheld,
            },
        }
    }

    /// Runs a job with these variables, and with those that it has over the view of the machine.
    /// An error: no facts tell what the test did.
    async fn observe(
        &self,
        job: &Job,
        variables: &BTreeMap<String, String>,
        view: View,
        slot: usize,
    ) -> Result<(Outcome, Arc<Facts>), Looked> {
        let job = self.over_machine(job, variables);
        let ended = match view {
            View::Container => self.executor.observe(&job, self.output(), on(slot)).await,
            View::Machine => self.executor.look(&job, self.output(), on(slot)).await,
        };
        let Some((outcome, facts)) = ended else {
            return Err(Looked::Impossible("it was not started".to_owned()));
        };
        match (&outcome.status, facts) {
            (Status::NotStarted(error), _) if error.step == Step::InstallFilter => {
                Err(Looked::Unavailable(reason(&outcome, self.running.learning)))
            }
            (Status::Exited(_) | Status::Signaled(_), Some(facts)) => {
                Ok((outcome, Arc::new(facts)))
            }
            _ => Err(Looked::Impossible(reason(&outcome, self.running.learning))),
        }
    }

    fn output(&self) -> Output {
        Output::Capture {
            limit: self.running.inline_limit,
        }
    }

    fn job(&self, case: &TestCase, container: &Arc<Container>, first: &Outcome) -> Job {
        let mut job = self.running.job(case, container.clone());
        let limit = time_limit(first.duration, self.running.learning);
        job.timeout = Some(job.timeout.map_or(limit, |timeout| timeout.min(limit)));
        job
    }

    /// The job with variables and the search path of the client, and with the directories of its
    /// toolchain.
    fn over_machine(&self, job: &Job, variables: &BTreeMap<String, String>) -> Job {
        let mut container = Container::clone(&job.container);
        container.environment.extend(variables.clone());
        self.surroundings.add_variables(&mut container);
        Job {
            container: Arc::new(container),
            ..job.clone()
        }
    }

    /// The files and programs that the test may need, and the names of those variables that occur
    /// in its executables. `None`: none of either.
    async fn candidates(
        &self,
        job: &Job,
        facts: &Arc<Facts>,
        variables: BTreeMap<String, String>,
    ) -> Option<(Candidates, Vec<String>)> {
        let uses_machine = (facts.files.iter()).any(|fact| fact.found == Found::Machine);
        if !uses_machine && variables.is_empty() {
            return None;
        }
        let surroundings = self.surroundings.clone();
        let container_path = container_path(&job.container);
        let facts = facts.clone();
        let program = job.program.to_string();
        let finding = tokio::task::spawn_blocking(move || {
            let candidates = needs::derive(&facts, &surroundings.machine, &container_path);
            let executed = (facts.files.iter())
                .filter(|fact| fact.uses.executed && fact.found != Found::Nowhere)
                .map(|fact| fact.path.clone());
            let mut named = BTreeSet::new();
            if !variables.is_empty() {
                for path in executed.chain([PathBuf::from(program)]) {
                    named.extend(surroundings.variables.of(&path));
                }
                named.retain(|name| variables.contains_key(name));
            }
            (candidates, named.into_iter().collect())
        });
        finding.await.ok()
    }

    /// The first set with which the test passes, without the needs that make no difference, if the
    /// test fails without it.
    async fn prove(
        &self,
        case: &TestCase,
        job: &Job,
        sets: Vec<Needs>,
        slot: usize,
    ) -> Option<(Outcome, Needs)> {
        let mut tried: Vec<Needs> = Vec::new();
        let mut proven = None;
        for set in sets {
            if tried.contains(&set) {
                continue;
            }
            if let Some(outcome) = self.passes_with(case, job, &set, slot).await {
                proven = Some((outcome, set));
                break;
            }
            tried.push(set);
        }
        let (outcome, set) = proven?;
        let is_short = outcome.duration <= SHORT;
        // Equal runs follow one another, so that a test that passes every second time is not taken
        // for one that has needs.
        if is_short || !tried.is_empty() {
            self.passes_with(case, job, &set, slot).await?;
        }
        if self.passes(job, slot).await {
            return None;
        }
        let needs = self.reduce(case, job, set, slot).await;
        if is_short && self.passes(job, slot).await {
            return None;
        }
        Some((outcome, needs))
    }

    /// Leaves out needs as long as the test passes and there is time for it: first half of them,
    /// then less at once. Files are left out before programs, and those before the toolchain, since
    /// the longest names tell least.
    async fn reduce(&self, case: &TestCase, job: &Job, set: Needs, slot: usize) -> Needs {
        let started = std::time::Instant::now();
        let mut trials = 0;
        let mut needs = set;
        let mut size = needs.0.len() / 2;
        while size > 0 {
            let candidates: Vec<Need> = needs.0.iter().rev().cloned().collect();
            for part in candidates.chunks(size) {
                let mut fewer = needs.clone();
                fewer.0.retain(|need| !part.contains(need));
                if fewer.is_empty() {
                    continue;
                }
                if trials == MOST_TRIALS || started.elapsed() > MOST_TRIAL_TIME {
                    return needs;
                }
                trials += 1;
                // Twice, so that a need is not left out by chance.
                if self.passes_with(case, job, &fewer, slot).await.is_some()
                    && self.passes_with(case, job, &fewer, slot).await.is_some()
                {
                    needs = fewer;
                }
            }
            size = size.min(needs.0.len()) / 2;
        }
        needs
    }

    /// The outcome of the test in its ordinary container with these needs, if it passes.
    async fn passes_with(
        &self,
        case: &TestCase,
        job: &Job,
        needs: &Needs,
        slot: usize,
    ) -> Option<Outcome> {
        let job = self.with_needs(case, job, needs).await?;
        let outcome = self.executor.run(&job, self.output(), on(slot)).await?;
        outcome.is_success().then_some(outcome)
    }

    /// The job in its ordinary container with these needs. `None`: they cannot be added.
    async fn with_needs(&self, case: &TestCase, job: &Job, needs: &Needs) -> Option<Job> {
        let mut spec = (*case.spec).clone();
        needs.add_to(&mut spec);
        let (builder, binary) = (self.containers.clone(), case.binary.clone());
        let building = tokio::task::spawn_blocking(move || builder.container(&spec, &binary));
        let container = match building.await {
            Ok(Ok(container)) => container,
            Ok(Err(error)) => {
                tracing::debug!("needs cannot be added: {}", error_chain(&error));
                return None;
            }
            Err(_) => return None,
        };
        Some(Job {
            container: Arc::new(container),
            ..job.clone()
        })
    }

    /// Whether the test passes in its ordinary container.
    async fn passes(&self, job: &Job, slot: usize) -> bool {
        let outcome = self.executor.run(job, self.output(), on(slot)).await;
        outcome.is_some_and(|outcome| outcome.is_success())
    }
}

/// The time limit of each run of a second look at a test that failed after this duration.
fn time_limit(first: Duration, learning: bool) -> Duration {
    let shortest = if learning {
        SHORTEST_LEARNING_LIMIT
    } else {
        SHORTEST_LIMIT
    };
    shortest.max(first * LIMIT_FACTOR)
}

/// The files that a job looked for in its home directory and that the user's home directory has.
fn files_of_home(job: &Job, facts: &Facts) -> Vec<String> {
    let (Some(home), Some(own)) = (
        job.container.environment.get("HOME"),
        std::env::home_dir().filter(|home| home.is_absolute()),
    ) else {
        return Vec::new();
    };
    let files = facts.files.iter().filter(|fact| !fact.uses.written);
    let relative = files.filter_map(|fact| fact.path.strip_prefix(home).ok());
    let found = relative.filter(|path| own.join(path).is_file());
    found.map(|path| path.display().to_string()).collect()
}

/// The files in which Git looks for the configuration of the machine, and which the container lacks, if
/// the test also looked for that of its user, who has one. Git refuses to make a commit without a name.
fn git_identity(job: &Job, facts: &Facts) -> Needs {
    let of_user = [".gitconfig", ".config/git/config"];
    if !(files_of_home(job, facts).iter()).any(|file| of_user.contains(&file.as_str())) {
        return Needs::default();
    }
    let files = facts.files.iter().filter(|fact| {
        let is_missing = matches!(fact.found, Found::Nowhere | Found::Machine);
        is_missing && fact.path.file_name() == Some("gitconfig".as_ref())
    });
    let files = files.filter_map(|fact| Utf8PathBuf::from_path_buf(fact.path.clone()).ok());
    Needs(files.map(Need::GitIdentity).collect())
}

/// The variables of the client that a job does not have.
fn client_variables(job: &Job) -> BTreeMap<String, String> {
    let environment = &job.container.environment;
    needs::client_variables(|name| {
        environment.contains_key(name) || job.variables.iter().any(|own| own.name() == name)
    })
}

/// The sets of needs to try, the smallest first. All of them have the identity.
fn sets(candidates: &Candidates, variables: &Needs, identity: &Needs) -> Vec<Needs> {
    let Candidates {
        used,
        built,
        looked_at,
        ..
    } = candidates;
    let is_program = |need: &&Need| matches!(need, Need::Toolchain | Need::Program(_));
    let programs = |needs: &Needs| Needs(needs.0.iter().filter(is_program).cloned().collect());
    let with_built = used.with(built);
    let with_looked_at = with_built.with(looked_at);
    let all = with_looked_at.with(variables);
    let sets = [
        Needs::default(),
        programs(used),
        programs(&with_built),
        used.clone(),
        used.with(variables),
        with_looked_at,
        all,
    ];
    let sets = sets.iter().map(|set| set.with(identity));
    sets.filter(|set| !set.is_empty()).collect()
}

fn reason(outcome: &Outcome, learning: bool) -> String {
    match &outcome.status {
        Status::TimedOut if !learning => {
            "it took too long; `cargo maelstrom --learn` gives it more time".to_owned()
        }
        Status::TimedOut => "it took too long".to_owned(),
        Status::OutOfMemory { limit } => out_of_memory(*limit),
        Status::NotStarted(error) => error.message(),
        Status::Error(message) => message.clone(),
        Status::Exited(_) | Status::Signaled(_) => String::new(),
    }
}

fn on(slot: usize) -> Ready<Option<usize>> {
    ready(Some(slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_may_take_longer_if_needs_are_learned_and_its_reason_says_so() {
        let limit = |first, learning| time_limit(Duration::from_secs(first), learning).as_secs();
        assert_eq!((limit(0, false), limit(60, false)), (30, 600));
        assert_eq!((limit(0, true), limit(60, true)), (300, 600));
        let mut outcome = Outcome::error(String::new());
        outcome.status = Status::TimedOut;
        assert!(reason(&outcome, false).contains("--learn"));
        assert_eq!(reason(&outcome, true), "it took too long");
    }
}
