//! Debian's registry on a machine, open, with passwords, or with TLS.

use std::{fs, process::Child};

use anyhow::{Context, Result};

use crate::{Machine, until};

/// The name and password that a registry with passwords takes.
pub const USER: &str = "me";
/// See [`USER`].
pub const PASSWORD: &str = "secret";
/// `me:secret`, as htpasswd(1) writes it with bcrypt.
const HTPASSWD: &str = "me:$2y$05$Wgjd84JKv0XLG2JdUP71J.TGwpONMlzQzO1B3x2.SzJUJ7DmR8tom\n";

/// How a registry is guarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Whether it wants a password.
    pub password: bool,
    /// Whether it speaks TLS, with a certificate for `localhost` and `198.51.100.1` by an authority of its own.
    pub tls: bool,
    /// Whether it wants a certificate from clients, too.
    pub client: bool,
}

/// A registry that runs; it ends with this value.
#[derive(Debug)]
pub struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Machine {
    /// Starts a registry that listens on this address.
    ///
    /// # Errors
    /// If the package is not installed, or it does not start.
    pub fn registry(&self, address: &str, guard: Guard) -> Result<Registry> {
        let name = address.replace([':', '[', ']'], "-");
        let home = self.root().join(format!("registry{name}"));
        let at = home.display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {at}/data}}\n  delete: \
             {{enabled: true}}\nhttp:\n  addr: '{address}'\n"
        );
        if guard.tls {
            self.certificates().context("no certificates")?;
            let root = self.root().display();
            config +=
                &format!("  tls:\n    certificate: {root}/tls/server.crt\n    key: {root}/tls/server.key\n");
            if guard.client {
                config += &format!("    clientcas: [{root}/tls/ca.crt]\n");
            }
        }
        if guard.password {
            config += &format!("auth:\n  htpasswd: {{realm: tests, path: {at}/htpasswd}}\n");
        }
        let files = [("config.yml", config), ("htpasswd", HTPASSWD.to_owned())];
        let write = move || {
            fs::create_dir_all(&home)?;
            files.iter().try_for_each(|(name, text)| fs::write(home.join(name), text))
        };
        self.within(write)?;
        let path = self.root().join(format!("registry{name}"));
        let script = format!("exec docker-registry serve {0}/config.yml 2> {0}/log", path.display());
        let registry = Registry(self.start_sh(&script)?);
        let scheme = if guard.tls { "https" } else { "http" };
        let probe = format!("curl -sk -o $HOME/probe {scheme}://{address}/v2/; test $? = 0 -o $? = 56");
        let answers = until("the registry to answer", || (self.sh(&probe).code == 0).then_some(()));
        answers.with_context(|| self.sh(&format!("cat {}/log", path.display())).stdout)?;
        Ok(registry)
    }

    /// Makes an authority and certificates by it, in `tls` below the machine's root: `ca.crt`, `server.*`,
    /// `client.*`.
    fn certificates(&self) -> Result<()> {
        let script = "set -e; mkdir -p $HOME/tls; cd $HOME/tls; test ! -e client.cert || exit 0
            new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -subj /CN=$1 $2; }
            new ca '-x509 -days 2 -out ca.crt'
            new server '-out server.csr'
            new client '-out client.csr'
            echo 'subjectAltName=DNS:localhost,IP:198.51.100.1,IP:127.0.0.1' > server.ext
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt -extfile server.ext
            openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out client.cert -extfile server.ext";
        self.sh(script).ok().map(drop)
    }
}
