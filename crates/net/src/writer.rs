//! The one writer of the model.
//!
//! ```text
//! request ─► decide ─► footprint meets one under way? ─yes─► wait; decide anew when it ends
//!                             │ no
//!                             ▼
//!                 accepted model, kernel thread: apply, store
//!                             │
//!               done: publish, answer      failed: take the change back, answer
//! ```
//!
//! `accepted` holds every change that was handed to the kernel; `published` only
//! those that are done. A repair waits until nothing is under way, and what
//! arrives meanwhile waits for the repair.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use cnm::{
    Delta, HostPorts, Model,
    announce::Neighbours,
    apply::KernelError,
    controller::{Context, Created, Defaults, Given, Host as Facts, Request, decide_all},
    plan::plan,
    state::{Key, Scope, State, kernel_state, kernel_state_of},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::{
    announce::Announcing,
    entropy,
    lanes::{Footprint, Lanes},
    look::Look,
    pool::{Done, Finished, Job, NotDone, Pool},
    resolvers::{self, Resolvers},
    service::{ChangeError, Outcome},
};

/// How often a change is decided anew because a port that the model holds free turns out to be taken.
const PORT_ATTEMPTS: usize = 10;

/// All that can be asked of the writer.
#[derive(Debug)]
pub(crate) enum Command {
    Change(Box<Change>),
    /// Somebody changed what is ours.
    Disturbed(Disturbance),
    /// Look at all there is when nothing is under way.
    Look(Look),
    /// Finish what is under way, refuse the rest, let go of kernel and store, and say so.
    Close(oneshot::Sender<()>),
}

/// Several requests that happen together or not at all.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) requests: Vec<Request>,
    pub(crate) facts: Facts,
    /// Nanoseconds since the Unix epoch.
    pub(crate) now: i64,
    /// How often it failed for a port that somebody else holds.
    pub(crate) attempts: usize,
    pub(crate) reply: oneshot::Sender<Result<Outcome, ChangeError>>,
}

/// What a monitor saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// An object went or changed by another hand than ours, if it was one of these.
    Objects(Vec<Key>),
    /// So much happened that the kernel did not keep it all.
    Overrun,
}

#[derive(Debug)]
struct UnderWay {
    change: Box<Change>,
    delta: Delta,
    inverse: Delta,
    created: Vec<Created>,
    /// The kernel still deletes what nobody waits for; the lane stays taken.
    reaping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    NotNeeded,
    Wanted,
    UnderWay,
    /// Under way, and something was disturbed that it may have looked at before.
    Outdated,
}

#[derive(Debug)]
pub(crate) struct Writer {
    defaults: Defaults,
    resolvers: Option<Arc<Resolvers>>,
    /// Resolvers that are being started or ended, and where they say that they are done.
    settling: JoinSet<()>,
    settled: mpsc::Sender<Finished>,
    accepted: Model,
    /// What was given out last.
    given: Given,
    neighbours: Neighbours,
    published: watch::Sender<Arc<Model>>,
    pool: Pool,
    lanes: Lanes,
    under_way: BTreeMap<u64, UnderWay>,
    waiting: VecDeque<Box<Change>>,
    repair: Repair,
    /// Questions to the kernel that wait until nothing is under way.
    looks: VecDeque<Look>,
}

/// Why a change has not begun.
enum Held {
    /// Its footprint meets another's: it has to wait.
    Waits(Box<Change>, Footprint),
    /// It is answered already.
    Answered,
}

impl Writer {
    /// `settled` leads back into the queue of ends that [`Writer::run`] is given.
    pub(crate) fn new(
        published: watch::Sender<Arc<Model>>,
        pool: Pool,
        defaults: Defaults,
        resolvers: Option<Arc<Resolvers>>,
        settled: mpsc::Sender<Finished>,
    ) -> Self {
        let accepted = Model::clone(&published.borrow());
        let neighbours = Neighbours::of(&accepted);
        Self {
            defaults,
            resolvers,
            settling: JoinSet::new(),
            settled,
            accepted,
            given: Given::default(),
            neighbours,
            published,
            pool,
            lanes: Lanes::default(),
            under_way: BTreeMap::new(),
            waiting: VecDeque::new(),
            repair: Repair::NotNeeded,
            looks: VecDeque::new(),
        }
    }

    /// Serves commands and ends of jobs until it is closed, or nobody is left who could ask.
    /// Who closed it is to be told, when all else is let go of.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut finished: mpsc::Receiver<Finished>,
    ) -> Option<oneshot::Sender<()>> {
        let closing = loop {
            tokio::select! {
                Some(end) = finished.recv() => self.finish(end),
                command = commands.recv() => match command {
                    Some(Command::Change(change)) => self.waiting.push_back(change),
                    Some(Command::Disturbed(disturbance)) => self.disturbed(&disturbance),
                    Some(Command::Look(look)) => self.looks.push_back(look),
                    Some(Command::Close(reply)) => break Some(reply),
                    None => break None,
                },
            }
            self.proceed();
        };
        drop(commands);
        self.waiting.clear();
        while !self.lanes.are_free() || matches!(self.repair, Repair::UnderWay | Repair::Outdated) {
            let Some(end) = finished.recv().await else { break };
            self.finish(end);
        }
        if let Some(resolvers) = &self.resolvers {
            resolvers.carry_no_more().await;
        }
        if self.accepted.sandboxes().next().is_none() {
            // Nobody would notice: an engine with nothing to hold leaves nothing behind.
            self.pool.send(Job::Repair { desired: State::new() });
            finished.recv().await.into_iter().for_each(|end| self.finish(end));
        }
        drop(tokio::task::spawn_blocking(move || self.pool.close()).await);
        closing
    }

    /// Starts what can be started, in the order of arrival.
    fn proceed(&mut self) {
        if self.repair == Repair::Wanted && self.lanes.are_free() {
            self.repair = Repair::UnderWay;
            self.pool.send(Job::Repair { desired: kernel_state(&self.accepted) });
        }
        if self.repair == Repair::NotNeeded
            && self.lanes.are_free()
            && let Some(Look { repair, reply }) = self.looks.pop_front()
        {
            // As a repair that may change nothing: what comes meanwhile waits.
            self.repair = Repair::UnderWay;
            self.pool.send(Job::Look { desired: kernel_state(&self.accepted), repair, reply });
        }
        if self.repair != Repair::NotNeeded || !self.looks.is_empty() {
            return;
        }
        let mut ahead = Lanes::default();
        for change in std::mem::take(&mut self.waiting) {
            if let Held::Waits(change, footprint) = self.start(change, &ahead) {
                ahead.enter(footprint);
                self.waiting.push_back(change);
            }
        }
    }

    /// Decides a change and hands it to the kernel, unless it meets one that is under way or `ahead`.
    fn start(&mut self, mut change: Box<Change>, ahead: &Lanes) -> Held {
        let mut entropy = entropy::fill;
        change.facts.given = self.given.clone();
        let Change { requests, facts: host, now, .. } = &*change;
        let mut context = Context { entropy: &mut entropy, now: *now, host, defaults: &self.defaults };
        let (delta, created) = match decide_all(&self.accepted, requests, &mut context) {
            Ok(decided) => decided,
            Err(refused) => {
                drop(change.reply.send(Err(refused.into())));
                return Held::Answered;
            }
        };
        let after = self.accepted.apply(&delta);
        let (from, to) = states(&self.accepted, &after, &delta);
        let footprint = Footprint::of(&delta, (&self.accepted, &after), (&from, &to));
        if ahead.meet(&footprint) || self.lanes.meet(&footprint) {
            return Held::Waits(change, footprint);
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            plan(&from, &to).ops().for_each(|operation| tracing::debug!(%operation, "the kernel is asked"));
        }
        let lane = self.lanes.enter(footprint);
        let inverse = delta.inverse(&self.accepted);
        change.facts.advance(&self.accepted, &delta);
        self.given = change.facts.given.clone();
        self.accepted = after;
        self.pool.send(Job::Change { lane, from, to, delta: delta.clone() });
        self.under_way.insert(lane, UnderWay { change, delta, inverse, created, reaping: false });
        Held::Answered
    }

    fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Change { lane, outcome: Ok(done) } => {
                self.publish(lane, done);
            }
            Finished::Change { lane, outcome: Err(cause) } => {
                let under_way = self.end(lane);
                self.undone(under_way, cause);
            }
            Finished::Reaped { lane, errors } => self.reaped(lane, errors),
            Finished::Settled { lane } => self.answer(lane),
            Finished::Repair { outcome } => {
                let outdated = self.repair == Repair::Outdated;
                self.repair = if outdated { Repair::Wanted } else { Repair::NotNeeded };
                report(outcome);
            }
        }
        while self.settling.try_join_next().is_some() {}
    }

    /// Takes a change off its lane, which is free with the last of the change.
    fn end(&mut self, lane: u64) -> UnderWay {
        let ended = self.under_way.remove(&lane).expect("what ends was under way");
        if !ended.reaping {
            self.lanes.leave(lane);
        }
        ended
    }

    /// Nothing is left of a change. What the kernel refused to delete is left to a repair.
    fn reaped(&mut self, lane: u64, errors: Vec<KernelError>) {
        match self.under_way.get_mut(&lane) {
            Some(unanswered) => unanswered.reaping = false,
            None => self.lanes.leave(lane),
        }
        if !errors.is_empty() {
            report(Err(errors));
            self.disturbed(&Disturbance::Overrun);
        }
    }

    /// Shows a change that is done, and sees to the resolvers before it is answered.
    fn publish(&mut self, lane: u64, done: Done) {
        let UnderWay { delta, inverse, reaping, .. } =
            self.under_way.get_mut(&lane).expect("what is done was under way");
        *reaping = done == Done::Reaping;
        let model = Arc::new(self.published.borrow().apply(delta));
        let due = self.neighbours.learn(delta, inverse, &model);
        self.published.send_replace(model);
        let sandboxes = resolvers::touched(delta, inverse);
        let is_work = |resolvers: &&Arc<Resolvers>| !due.is_empty() || resolvers.concern(&sandboxes);
        match self.resolvers.as_ref().filter(is_work) {
            None => self.answer(lane),
            Some(resolvers) => {
                let (resolvers, settled) = (Arc::clone(resolvers), self.settled.clone());
                self.settling.spawn(async move {
                    let begun = resolvers.announce(due).await;
                    resolvers.settle(sandboxes).await;
                    drop(settled.send(Finished::Settled { lane }).await);
                    let later: JoinSet<()> = begun.into_iter().map(Announcing::go_on).collect();
                    later.join_all().await;
                });
            }
        }
    }

    fn answer(&mut self, lane: u64) {
        let UnderWay { change, created, .. } = self.end(lane);
        let model = Arc::clone(&self.published.borrow());
        drop(change.reply.send(Ok(Outcome { model, created })));
    }

    fn undone(&mut self, UnderWay { mut change, inverse, .. }: UnderWay, cause: NotDone) {
        self.accepted = self.accepted.apply(&inverse);
        if note_taken_port(&cause, &mut change) {
            self.waiting.push_front(change);
        } else {
            drop(change.reply.send(Err(cause.into())));
        }
    }

    /// Wants a repair if what was disturbed is ours and we are not at it ourselves.
    fn disturbed(&mut self, disturbance: &Disturbance) {
        let matters = match disturbance {
            Disturbance::Overrun => true,
            Disturbance::Objects(keys) => keys.iter().any(|key| !self.lanes.hold(key)),
        };
        if !matters {
            return;
        }
        self.repair = match self.repair {
            Repair::NotNeeded | Repair::Wanted => Repair::Wanted,
            Repair::UnderWay | Repair::Outdated => Repair::Outdated,
        };
    }
}

/// What the kernel holds before and after a change, as far as it is touched.
pub(crate) fn states(before: &Model, after: &Model, delta: &Delta) -> (State, State) {
    let scope = Scope::of(delta, before, after);
    (kernel_state_of(before, &scope), kernel_state_of(after, &scope))
}

fn report(outcome: Result<usize, Vec<KernelError>>) {
    match outcome {
        Ok(0) => {}
        Ok(operations) => tracing::info!(operations, "the kernel is as it should be again"),
        Err(errors) => {
            for error in errors {
                tracing::error!(error = crate::chain(&error), "cannot repair the kernel");
            }
        }
    }
}

/// Whether the change failed because somebody else holds a port of the host, and another
/// port would do as well. The next decision then knows.
fn note_taken_port(cause: &NotDone, change: &mut Change) -> bool {
    let NotDone::Kernel(failed) = cause else { return false };
    let Some(Key::Port { proto, address, first, .. }) = failed.cause.key() else { return false };
    let may_try = change.attempts < PORT_ATTEMPTS && change.requests.iter().any(chooses_port);
    change.attempts += 1;
    change.facts.busy.insert(*proto, *address, *first);
    may_try
}

/// Whether a request leaves it to us which port of the host to take.
fn chooses_port(request: &Request) -> bool {
    let publish = match request {
        Request::CreateSandbox(spec) => Some(&spec.publish),
        Request::UpdateSandbox(_, update) => update.publish.as_ref(),
        Request::KnowHost(_)
        | Request::CreateNetwork(_)
        | Request::RenewNetwork(_)
        | Request::UpdateNetwork(..)
        | Request::DeleteNetwork(_)
        | Request::DeleteSandbox(_)
        | Request::CreateEndpoint(_)
        | Request::DeleteEndpoint(_)
        | Request::Join { .. }
        | Request::Leave(_)
        | Request::RenameEndpoint { .. }
        | Request::RelinkEndpoint { .. } => None,
    };
    publish.into_iter().flatten().any(|mapping| !matches!(mapping.host, HostPorts::Exact(_)))
}

#[cfg(test)]
mod tests;
