//! The terminal on this side: its size, its raw mode, and giving it back as it was.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// How the terminal was before it became raw; `None` while it is not raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static ON_PANIC: Once = Once::new();

/// Columns and rows of the terminal, if standard output is one.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Whether keys can be read one by one.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// A raw terminal, which is given back when this is dropped, and also when the program panics.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    /// Makes the terminal raw.
    pub(crate) fn enter() -> io::Result<Self> {
        ON_PANIC.call_once(|| {
            let print = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                print(panic);
            }));
        });
        change(Termios::make_raw)?;
        Ok(Self(()))
    }
}

/// A terminal that does not show what is typed, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hidden(());

impl Hidden {
    /// Hides what is typed.
    pub(crate) fn enter() -> io::Result<Self> {
        change(|termios| termios.local_modes.remove(LocalModes::ECHO))?;
        Ok(Self(()))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        restore();
    }
}

fn change(how: impl FnOnce(&mut Termios)) -> io::Result<()> {
    let before = tcgetattr(io::stdin())?;
    let mut after = before.clone();
    how(&mut after);
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    Ok(tcsetattr(io::stdin(), OptionalActions::Now, &after).inspect_err(|_| restore())?)
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was; does nothing if it is not raw.
pub(crate) fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that is gone needs nothing back.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}
