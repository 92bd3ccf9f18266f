//! The threads that talk to the kernel.
//!
//! What is handed to them does not meet (see [`crate::lanes`]), so any thread
//! may do any job. Each job ends with one durable write or with the kernel put
//! back to where it was.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use cnm::{
    Delta,
    apply::{self, Extent, Failed, Kernel, KernelError},
    plan::{Plan, plan},
    state::State,
};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::{
    look::Seen,
    store::{Store, StoreError},
};

/// Something for a kernel thread to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Takes the kernel from one state to another and stores the change that this means.
    Change { lane: u64, from: State, to: State, delta: Delta },
    /// Takes the kernel to a state from wherever it is.
    Repair { desired: State },
    /// Compares the kernel with a state, and takes it there if that is asked for.
    Look { desired: State, repair: bool, reply: oneshot::Sender<Result<Seen, KernelError>> },
}

/// What became of a job.
#[derive(Debug)]
pub(crate) enum Finished {
    Change {
        lane: u64,
        outcome: Result<Done, NotDone>,
    },
    /// What was left of a change that is done.
    Reaped {
        lane: u64,
        errors: Vec<KernelError>,
    },
    Repair {
        outcome: Result<usize, Vec<KernelError>>,
    },
    /// The resolvers of a change's sandboxes are as the change wants them.
    Settled {
        lane: u64,
    },
}

/// How much of a change is done when it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Whole,
    /// The kernel still deletes what nobody waits for: [`Finished::Reaped`] follows.
    Reaping,
}

/// Why a change was not made. The kernel and the store are as they were, but
/// for what `left_behind` says.
#[derive(Debug, Error)]
pub enum NotDone {
    #[error(transparent)]
    Kernel(#[from] Failed),
    #[error("the change could not be stored and was undone")]
    Store {
        #[source]
        cause: StoreError,
        left_behind: Vec<KernelError>,
    },
}

/// Threads with a kernel each, and their queue.
#[derive(Debug)]
pub(crate) struct Pool {
    jobs: mpsc::Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts a thread for each kernel. They end with the pool.
    pub(crate) fn start<K: Kernel + Send + 'static>(
        kernels: Vec<K>,
        store: &Arc<Store>,
        finished: &tokio::sync::mpsc::Sender<Finished>,
    ) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for (number, kernel) in kernels.into_iter().enumerate() {
            let mut worker = Worker { kernel, store: Arc::clone(store) };
            let (queue, finished) = (Arc::clone(&queue), finished.clone());
            let thread = thread::Builder::new().name(format!("kernel-{number}"));
            threads.push(thread.spawn(move || {
                while let Some(job) = next(&queue) {
                    let tell = |end| finished.blocking_send(end).is_ok();
                    if !worker.run(job, tell) {
                        break;
                    }
                }
            })?);
        }
        Ok(Self { jobs, threads })
    }

    /// Waits for the threads to end, and with them their hold on kernel and store.
    pub(crate) fn close(self) {
        drop(self.jobs);
        for thread in self.threads {
            drop(thread.join());
        }
    }

    /// Hands over a job; its end arrives where [`Pool::start`] was told.
    pub(crate) fn send(&self, job: Job) {
        self.jobs.send(job).expect("kernel threads live as long as their pool");
    }
}

/// Waits for a job; only one thread waits on the queue itself.
fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

struct Worker<K> {
    kernel: K,
    store: Arc<Store>,
}

impl<K: Kernel> Worker<K> {
    /// Does a job and tells how it ended, as long as somebody hears it.
    fn run(&mut self, job: Job, tell: impl Fn(Finished) -> bool) -> bool {
        match job {
            Job::Change { lane, from, to, delta } => match self.change(&from, &to, &delta) {
                Err(cause) => tell(Finished::Change { lane, outcome: Err(cause) }),
                Ok(reaping) if reaping.is_empty() => {
                    tell(Finished::Change { lane, outcome: Ok(Done::Whole) })
                }
                Ok(reaping) => {
                    let is_heard = tell(Finished::Change { lane, outcome: Ok(Done::Reaping) });
                    let errors = reaping.steps.iter().filter_map(|step| self.kernel.run(step).err());
                    let errors = errors.collect();
                    is_heard && tell(Finished::Reaped { lane, errors })
                }
            },
            Job::Repair { desired } => {
                tell(Finished::Repair { outcome: apply::reconcile(&mut self.kernel, &desired) })
            }
            Job::Look { desired, repair, reply } => {
                drop(reply.send(self.look(desired, repair)));
                tell(Finished::Repair { outcome: Ok(0) })
            }
        }
    }

    fn look(&mut self, wanted: State, repair: bool) -> Result<Seen, KernelError> {
        let observed = self.kernel.observe(Extent::All(&wanted))?;
        let steps = if repair { plan(&observed, &wanted).steps } else { Vec::new() };
        let errors = steps.iter().filter_map(|step| self.kernel.run(step).err()).collect();
        Ok(Seen { observed, wanted, errors })
    }

    /// Changes kernel and store; what nobody waits for is left.
    fn change(&mut self, from: &State, to: &State, delta: &Delta) -> Result<Plan, NotDone> {
        let reaping = apply::apply_but_reaping(&mut self.kernel, from, to)?;
        if delta.is_empty() {
            return Ok(reaping);
        }
        self.store.commit(delta).map_err(|cause| NotDone::Store {
            cause,
            left_behind: apply::put_back(&mut self.kernel, from, to),
        })?;
        Ok(reaping)
    }
}
