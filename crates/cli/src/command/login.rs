//! `login` and `logout`.

use std::io::{self, IsTerminal, Read, Write};

use api::registry::{AuthConfig, AuthResponse};
use clap::Args;

use crate::client::{Call, Client};
use crate::credentials::{Credentials, key};
use crate::failure::Failure;
use crate::{output, terminal};

/// What was typed after `login`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Login {
    /// Password; it is seen by whoever lists processes: prefer --password-stdin
    #[arg(short, long, default_value = "", hide_default_value = true)]
    password: String,
    /// Take the password from STDIN
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// Username
    #[arg(short, long, default_value = "", hide_default_value = true)]
    username: String,
    /// The registry [default: docker.io]
    #[arg(default_value = "", hide_default_value = true)]
    server: String,
}

/// What was typed after `logout`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Logout {
    /// The registry [default: docker.io]
    #[arg(default_value = "", hide_default_value = true)]
    server: String,
}

impl Login {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut file = Credentials::read()?;
        let known = file.get(&self.server)?;
        let is_bare = self.username.is_empty() && self.password.is_empty() && !self.password_stdin;
        if let Some(known) = known.clone().filter(|_| is_bare) {
            output::warn("Authenticating with existing credentials...");
            match ask(client, &known).await {
                Ok(status) => return output::line(&status.status),
                Err(error) => error.text().iter().for_each(|text| output::warn(text)),
            }
        }
        let typed = self.typed(known.map(|known| known.username).unwrap_or_default())?;
        let AuthResponse { identity_token, status } = ask(client, &typed).await?;
        let kept = if identity_token.is_empty() {
            typed
        } else {
            AuthConfig { password: String::new(), identitytoken: identity_token, ..typed }
        };
        file.put(&self.server, &kept)?;
        if file.helper(&self.server).is_none() {
            output::warn(&format!(
                "WARNING! Your credentials are stored unencrypted in '{}'. Name a program that keeps them in its \
                 credsStore to avoid this.",
                file.place()
            ));
        }
        output::line(&status)
    }

    /// What the flags say, and the rest from whoever types.
    fn typed(&self, known: String) -> Result<AuthConfig, Failure> {
        let mut auth = AuthConfig {
            username: self.username.clone(),
            password: self.password.clone(),
            serveraddress: key(&self.server).to_owned(),
            ..AuthConfig::default()
        };
        if self.password_stdin {
            if self.username.is_empty() {
                return Err(Failure::Said("must provide --username with --password-stdin".to_owned()));
            }
            io::stdin()
                .read_to_string(&mut auth.password)
                .map_err(Failure::file("cannot read the password"))?;
            auth.password.truncate(auth.password.trim_end_matches(['\r', '\n']).len());
        } else if !self.password.is_empty() {
            output::warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        let needs_keys = auth.username.is_empty() || auth.password.is_empty();
        if needs_keys && !io::stdin().is_terminal() {
            return Err(Failure::Said(
                "Cannot perform an interactive login from a non TTY device".to_owned(),
            ));
        }
        if auth.username.is_empty() {
            let default = if known.is_empty() { String::new() } else { format!(" ({known})") };
            auth.username = prompt(&format!("Username{default}: "))?;
            if auth.username.is_empty() {
                auth.username = known;
            }
        }
        if auth.password.is_empty() {
            let hidden = terminal::Hidden::enter().map_err(Failure::file("cannot hide the password"))?;
            auth.password = prompt("Password: ")?;
            drop(hidden);
            output::warn("");
        }
        match (auth.username.is_empty(), auth.password.is_empty()) {
            (true, _) => Err(Failure::Said("username is required".to_owned())),
            (false, true) => Err(Failure::Said("password is required".to_owned())),
            (false, false) => Ok(auth),
        }
    }
}

impl Logout {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut file = Credentials::read()?;
        let name = key(&self.server).to_owned();
        if file.remove(&self.server)? {
            output::line(&format!("Removing login credentials for {name}"))
        } else {
            output::line(&format!("Not logged in to {name}"))
        }
    }
}

async fn ask(client: &Client, auth: &AuthConfig) -> Result<AuthResponse, Failure> {
    Ok(client.json(Call::post(["auth"]).json(auth)).await?)
}

fn prompt(text: &str) -> Result<String, Failure> {
    let failed = || Failure::file("cannot read from the terminal");
    let mut error = io::stderr().lock();
    error.write_all(text.as_bytes()).and_then(|()| error.flush()).map_err(failed())?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(failed())?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
