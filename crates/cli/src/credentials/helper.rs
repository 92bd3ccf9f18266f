//! Programs that keep credentials: `docker-credential-<name>`, by Docker's protocol.
//!
//! They run on this side, as the user who typed; the engine never starts one.

use std::io::Write;
use std::process::{Command, Stdio};

use api::registry::AuthConfig;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What a program says where there is nothing.
const NOTHING: &str = "credentials not found in native keychain";
/// The name of a user whose secret is a token.
const TOKEN: &str = "<token>";

/// A program that keeps credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Helper(String);

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Secret {
    #[serde(rename = "ServerURL")]
    server_url: String,
    username: String,
    secret: String,
}

impl Helper {
    /// The program of this name; a name with a slash names none.
    pub(super) fn named(name: &str) -> Option<Self> {
        (!name.is_empty() && !name.contains('/')).then(|| Self(format!("docker-credential-{name}")))
    }

    pub(super) fn get(&self, registry: &str) -> Result<Option<AuthConfig>, Failure> {
        let answer = match self.run("get", registry) {
            Ok(answer) => answer,
            Err(Failure::Said(text)) if text.contains(NOTHING) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Secret { username, secret, .. } = serde_json::from_str(&answer)
            .map_err(|error| Failure::Said(format!("cannot understand what {} says: {error}", self.0)))?;
        let known = AuthConfig { serveraddress: registry.to_owned(), ..AuthConfig::default() };
        Ok(Some(if username == TOKEN {
            AuthConfig { identitytoken: secret, ..known }
        } else {
            AuthConfig { username, password: secret, ..known }
        }))
    }

    pub(super) fn store(&self, registry: &str, known: &AuthConfig) -> Result<(), Failure> {
        let is_token = !known.identitytoken.is_empty();
        let secret = Secret {
            server_url: registry.to_owned(),
            username: if is_token { TOKEN } else { &known.username }.to_owned(),
            secret: if is_token { &known.identitytoken } else { &known.password }.clone(),
        };
        let text = serde_json::to_string(&secret).expect("strings can be written");
        self.run("store", &text).map(drop)
    }

    pub(super) fn erase(&self, registry: &str) -> Result<(), Failure> {
        match self.run("erase", registry) {
            Err(Failure::Said(text)) if text.contains(NOTHING) => Ok(()),
            other => other.map(drop),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the user's own program, started by the user's command")]
    fn run(&self, verb: &str, input: &str) -> Result<String, Failure> {
        let failed = || Failure::file(format!("error getting credentials: cannot run {}", self.0));
        let mut child = Command::new(&self.0)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(failed())?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read says why when it ends.
            drop(stdin.write_all(input.as_bytes()));
        }
        let output = child.wait_with_output().map_err(failed())?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(Failure::Said(format!("error getting credentials: {}: {text}", self.0)))
    }
}
