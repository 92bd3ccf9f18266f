//! Writing to standard output and standard error.

use std::io::{self, Write};

use crate::failure::Failure;

/// Writes text as it is.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes a line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Writes bytes as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).map_err(Failure::Output)
}

/// Tells a person something. Nobody to tell it to is not an error.
pub(crate) fn warn(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Does the same with each name: prints what it gives, or tells what went wrong and goes on.
pub(crate) async fn each<T: AsRef<str>>(
    names: &[T],
    mut act: impl AsyncFnMut(&str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let mut code = None;
    for name in names {
        match act(name.as_ref()).await {
            Ok(text) if text.is_empty() => {}
            Ok(text) => line(&text)?,
            Err(error) => {
                error.text().iter().for_each(|text| warn(text));
                code = Some(error.code());
            }
        }
    }
    code.map_or(Ok(()), |code| Err(Failure::Exit(code)))
}
