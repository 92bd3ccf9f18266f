//! `version`, `info`.

use api::system::{SystemInfo, SystemVersion};
use api::version::Version as ApiVersion;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::template::Template;
use crate::value::Value;
use crate::{output, units};

/// What was typed after `version` or `info`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Facts {
    /// `json`, or a Go template such as '{{.Server.Version}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Facts {
    fn template(&self) -> Result<Option<Template>, Failure> {
        Ok(match self.format.as_deref() {
            None | Some("") => None,
            Some("json") => Some(Template::parse("{{json .}}")?),
            Some(text) => Some(Template::parse(text)?),
        })
    }

    pub(crate) async fn version(self, client: &Client) -> Result<(), Failure> {
        let template = self.template()?;
        let ours = Value::Map(vec![
            ("Version".to_owned(), env!("CARGO_PKG_VERSION").into()),
            ("ApiVersion".to_owned(), ApiVersion::MAX.to_string().into()),
            ("Os".to_owned(), std::env::consts::OS.into()),
            ("Arch".to_owned(), std::env::consts::ARCH.into()),
        ]);
        let client_text = format!(
            "Client:\n Version:     {}\n API version: {}\n OS/Arch:     {}/{}",
            env!("CARGO_PKG_VERSION"),
            ApiVersion::MAX,
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        if template.is_none() {
            output::line(&client_text)?;
        }
        let server: SystemVersion = client.json(Call::get(["version"])).await?;
        if let Some(template) = template {
            let all =
                Value::Map(vec![("Client".to_owned(), ours), ("Server".to_owned(), Value::of(&server))]);
            return output::line(&template.fill(&all)?);
        }
        let SystemVersion {
            version, api_version, min_api_version, os, arch, kernel_version, git_commit, ..
        } = server;
        output::line(&format!(
            "\nServer: {}\n Version:     {version}\n API version: {api_version} (minimum version {min_api_version})\n \
             Git commit:  {git_commit}\n OS/Arch:     {os}/{arch}\n Kernel:      {kernel_version}",
            server.platform.name
        ))
    }

    pub(crate) async fn info(self, client: &Client) -> Result<(), Failure> {
        let template = self.template()?;
        let value: Value = client.json(Call::get(["info"])).await?;
        if let Some(template) = template {
            return output::line(&template.fill(&value)?);
        }
        let info: SystemInfo =
            serde_json::from_str(&value.compact()).map_err(crate::client::ClientError::Answer)?;
        output::print(&summary(&info))?;
        info.warnings.iter().flatten().for_each(|warning| output::warn(warning));
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
fn summary(info: &SystemInfo) -> String {
    let mut text = format!(
        "Containers: {}\n Running: {}\n Paused: {}\n Stopped: {}\nImages: {}\nServer Version: {}\nStorage Driver: {}\n",
        info.containers,
        info.containers_running,
        info.containers_paused,
        info.containers_stopped,
        info.images,
        info.server_version,
        info.driver
    );
    for [name, value] in &info.driver_status {
        text += &format!(" {name}: {value}\n");
    }
    text += &format!(
        "Logging Driver: {}\nCgroup Driver: {}\nCgroup Version: {}\nPlugins:\n Volume: {}\n Network: {}\n Log: {}\n",
        info.logging_driver,
        info.cgroup_driver,
        info.cgroup_version,
        info.plugins.volume.join(" "),
        info.plugins.network.join(" "),
        info.plugins.log.join(" ")
    );
    if !info.security_options.is_empty() {
        text += &format!("Security Options:\n {}\n", info.security_options.join("\n "));
    }
    text += &format!(
        "Kernel Version: {}\nOperating System: {}\nOSType: {}\nArchitecture: {}\nCPUs: {}\nTotal Memory: {}\nName: {}\nID: {}\nData Root: {}\nLive Restore Enabled: {}\n",
        info.kernel_version,
        info.operating_system,
        info.os_type,
        info.architecture,
        info.ncpu,
        units::binary(info.mem_total as f64),
        info.name,
        info.id,
        info.docker_root_dir,
        info.live_restore_enabled
    );
    for pool in info.default_address_pools.iter().flatten() {
        text += &format!("Default Address Pool: Base: {}, Size: {}\n", pool.base, pool.size);
    }
    text
}
