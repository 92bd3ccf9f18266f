//! Deletion of links without waiting for the kernel's last trace of them.
//!
//! `RTM_DELLINK` of a veth takes the link off all lists at once (name, MAC
//! address and IP addresses can be used again), tells everyone who listens, and
//! only then waits 17 to 35 ms for readers that may still see it. A [`Reaper`]
//! lets a thread sit in that system call and answers when the notification
//! arrives.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use super::{Event, Monitor, OpenError, Rtnl, RtnlError};
use crate::netlink;
use crate::netns::{Netns, NetnsError};

/// How many deletions sit in the kernel at a time. They overlap there: 16
/// reach about 480 per second.
const THREADS: usize = 16;

/// Deletes links of one namespace. Clones share their sockets.
#[derive(Clone, Debug)]
pub struct Reaper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    netns: Netns,
    pool: Mutex<Pool>,
    returned: Condvar,
}

/// Sockets that nobody uses now, and how many deletions run.
#[derive(Debug, Default)]
struct Pool {
    sockets: Vec<Rtnl>,
    monitors: Vec<Monitor>,
    running: usize,
}

impl Reaper {
    /// For the links of the calling thread's namespace.
    pub fn open() -> Result<Self, NetnsError> {
        Ok(Self::open_in(Netns::current()?))
    }

    /// For the links of a namespace.
    pub fn open_in(netns: Netns) -> Self {
        Self { shared: Arc::new(Shared { netns, pool: Mutex::default(), returned: Condvar::new() }) }
    }

    /// Deletes a link, and the other end of a veth pair with it. Returns when
    /// nobody can find it any more; what remains is done behind the scenes.
    pub fn link_del(&self, index: u32) -> Result<(), OpenError> {
        let (socket, mut monitor) = self.shared.take()?;
        if let Err(error) = monitor.resume() {
            self.shared.put_back(socket);
            return Err(error.into());
        }
        let started = Deletion::start(&self.shared, socket, index);
        let result = started.and_then(|deletion| deletion.wait(&mut monitor));
        // A monitor that does not stop is closed instead.
        if monitor.pause().is_ok() {
            self.shared.lock().monitors.push(monitor);
        }
        Ok(result?)
    }

    /// Whether the kernel is still busy with links whose deletion was answered.
    pub fn is_busy(&self) -> bool {
        self.shared.lock().running > 0
    }
}

impl Shared {
    /// Waits for its turn, and takes a socket for the deletion and one that hears of it.
    fn take(&self) -> Result<(Rtnl, Monitor), OpenError> {
        let full = |pool: &mut Pool| pool.running >= THREADS;
        let mut pool = self.returned.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        pool.running += 1;
        let (socket, monitor) = (pool.sockets.pop(), pool.monitors.pop());
        drop(pool);
        let opened = match (socket, monitor) {
            (Some(socket), Some(monitor)) => return Ok((socket, monitor)),
            (socket, monitor) => self.netns.enter(|| -> Result<_, RtnlError> {
                let socket = socket.map_or_else(Rtnl::open, Ok)?;
                let monitor = monitor.map_or_else(Monitor::open_links, Ok)?;
                Ok((socket, monitor))
            }),
        };
        let opened = opened.map_err(OpenError::from).and_then(|inside| inside.map_err(OpenError::from));
        if opened.is_err() {
            self.finish(None);
        }
        opened
    }

    fn put_back(&self, socket: Rtnl) {
        self.finish(Some(socket));
    }

    /// One deletion less, and its socket for the next.
    fn finish(&self, socket: Option<Rtnl>) {
        let mut pool = self.lock();
        pool.running -= 1;
        pool.sockets.extend(socket);
        self.returned.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A deletion that a thread sits in.
struct Deletion {
    index: u32,
    done: Arc<OwnedFd>,
    answer: Receiver<Result<(), RtnlError>>,
}

impl Deletion {
    fn start(shared: &Arc<Shared>, mut socket: Rtnl, index: u32) -> Result<Self, RtnlError> {
        let failed = |source| {
            RtnlError::new(
                format!("delete link {index}"),
                netlink::Error::Socket { action: "wait for", source },
            )
        };
        let done = match eventfd(0, EventfdFlags::CLOEXEC) {
            Ok(done) => Arc::new(done),
            Err(errno) => {
                shared.put_back(socket);
                return Err(failed(errno.into()));
            }
        };
        let (reply, answer) = mpsc::channel();
        let (signal, pool) = (Arc::clone(&done), Arc::clone(shared));
        let thread = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || {
            let result = socket.link_del(index);
            pool.put_back(socket);
            // Whoever asked may have left with the notification.
            drop(reply.send(result));
            let _ = rustix::io::write(&*signal, &1u64.to_ne_bytes());
        });
        match thread {
            Ok(_) => Ok(Self { index, done, answer }),
            Err(error) => {
                shared.finish(None);
                Err(failed(error))
            }
        }
    }

    /// Waits for the notification or for the system call, whichever comes first.
    fn wait(&self, monitor: &mut Monitor) -> Result<(), RtnlError> {
        loop {
            let gone = |event: &Event| matches!(event, Event::LinkGone(link) if link.index == self.index);
            while let Some(event) = monitor.try_next()? {
                if gone(&event) {
                    return Ok(());
                }
            }
            match self.answer.try_recv() {
                Ok(result) => return result,
                Err(TryRecvError::Disconnected) => panic!("the thread that deletes a link answers"),
                Err(TryRecvError::Empty) => {}
            }
            let fds = &mut [
                PollFd::from_borrowed_fd(self.done.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(monitor.as_fd(), PollFlags::IN),
            ];
            // A wait that a signal ends is one more look at both.
            let _ = poll(fds, None);
        }
    }
}
