//! What was typed after `run` and `create`.

use clap::Args;

use super::limit_flags::LimitFlags;

/// What was typed after `run` and `create`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CreateFlags {
    /// Assign a name to the container
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Platform of the image, if there are several
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) platform: String,
    /// Pull the image before creating: always, missing or never
    #[arg(long, default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub(crate) pull: String,
    /// Suppress the output of pulling
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Write the container's id to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<String>,
    #[command(flatten)]
    pub(crate) process: ProcessFlags,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    #[command(flatten)]
    pub(crate) storage: StorageFlags,
    #[command(flatten)]
    pub(crate) rights: RightsFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    #[command(flatten)]
    pub(crate) life: LifeFlags,
    /// IMAGE [COMMAND] [ARG...]; with --rootfs only the command
    #[arg(trailing_var_arg = true, value_name = "IMAGE [COMMAND] [ARG...]")]
    pub(crate) words: Vec<String>,
}

/// What runs.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessFlags {
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "STREAM", value_parser = ["stdin", "stdout", "stderr"], ignore_case = true)]
    pub(crate) attach: Vec<String>,
    /// Set environment variables: NAME=VALUE, or NAME for the value it has here
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR", default_value = "", hide_default_value = true)]
    pub(crate) workdir: String,
    /// User: name or uid, with an optional group
    #[arg(short, long, value_name = "USER[:GROUP]", default_value = "", hide_default_value = true)]
    pub(crate) user: String,
    /// Additional groups to join
    #[arg(long, value_name = "GROUP")]
    pub(crate) group_add: Vec<String>,
    /// Overwrite the entry point of the image; '' for none
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Set metadata on the container
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) label_file: Vec<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub(crate) init: bool,
    /// Add an annotation for the OCI runtime
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
}

/// Networks and names.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkFlags {
    /// Connect to a network: a name, host, none, container:NAME, or name=NET,alias=…,ip=…
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub(crate) network: Vec<String>,
    /// Add a network-scoped alias for the container
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub(crate) network_alias: Vec<String>,
    /// Publish a port to the host: [[IP:]HOST:]CONTAINER[/PROTOCOL], with ranges
    #[arg(short, long, value_name = "PORT")]
    pub(crate) publish: Vec<String>,
    /// Who alone reaches published ports: [PORT[/PROTOCOL]=]SUBNET|LINK, a port being the container's
    #[arg(long, value_name = "SOURCE")]
    pub(crate) publish_allow: Vec<String>,
    /// Publish all exposed ports to free ports
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "PORT")]
    pub(crate) expose: Vec<String>,
    /// IPv4 address, such as 172.30.100.104
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) ip: String,
    /// IPv6 address, such as 2001:db8::33
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) ip6: String,
    /// Link-local addresses
    #[arg(long, value_name = "IP")]
    pub(crate) link_local_ip: Vec<String>,
    /// MAC address, such as 92:d0:c6:0a:29:33
    #[arg(long, value_name = "MAC", default_value = "", hide_default_value = true)]
    pub(crate) mac_address: String,
    /// Add a link to another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub(crate) link: Vec<String>,
    /// Host name of the container
    #[arg(short = 'h', long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) hostname: String,
    /// Domain name of the container
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) domainname: String,
    /// Set custom DNS servers
    #[arg(long, value_name = "IP")]
    pub(crate) dns: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// Set options of the resolver
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub(crate) dns_option: Vec<String>,
    /// Add a custom host-to-IP mapping
    #[arg(long, value_name = "HOST:IP")]
    pub(crate) add_host: Vec<String>,
}

/// Files and mounts.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Storage")]
pub(crate) struct StorageFlags {
    /// Bind mount a volume or a directory
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:MODE]")]
    pub(crate) volume: Vec<String>,
    /// Attach a file system: type=bind|volume|tmpfs|image,source=…,target=…
    #[arg(long, value_name = "MOUNT")]
    pub(crate) mount: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub(crate) tmpfs: Vec<String>,
    /// Mount volumes from other containers
    #[arg(long, value_name = "CONTAINER[:MODE]")]
    pub(crate) volumes_from: Vec<String>,
    /// Driver of volumes that are created
    #[arg(long, value_name = "DRIVER", default_value = "", hide_default_value = true)]
    pub(crate) volume_driver: String,
    /// Run on a directory of the host instead of an image; :O throws away what is written
    #[arg(long, value_name = "DIR[:O]")]
    pub(crate) rootfs: Option<String>,
    /// Mount the container's root file system as read only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Options of the writable layer
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) storage_opt: Vec<String>,
    /// Add a device of the host
    #[arg(long, value_name = "HOST[:CONTAINER][:rwm]")]
    pub(crate) device: Vec<String>,
    /// Add a rule to the list of allowed devices
    #[arg(long, value_name = "RULE")]
    pub(crate) device_cgroup_rule: Vec<String>,
}

/// What it may do, and which namespaces it has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rights and namespaces")]
pub(crate) struct RightsFlags {
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_drop: Vec<String>,
    /// Give extended privileges to the container
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Security options: seccomp=FILE, no-new-privileges, …
    #[arg(long, value_name = "OPTION")]
    pub(crate) security_opt: Vec<String>,
    /// PID namespace: host or container:NAME
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) pid: String,
    /// IPC namespace: private, shareable, host, none or container:NAME
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) ipc: String,
    /// UTS namespace: host
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) uts: String,
    /// User namespace: host
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) userns: String,
    /// Cgroup namespace: host or private
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) cgroupns: String,
    /// Kernel settings of the container's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) sysctl: Vec<String>,
    /// OCI runtime
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) runtime: String,
}

/// How it lives and ends.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Life")]
pub(crate) struct LifeFlags {
    /// Automatically remove the container and its anonymous volumes when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Restart policy: no, always, unless-stopped, on-failure[:TIMES]
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub(crate) restart: String,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL", default_value = "", hide_default_value = true)]
    pub(crate) stop_signal: String,
    /// Seconds between that signal and SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop_timeout: Option<i64>,
    /// Logging driver
    #[arg(long, value_name = "DRIVER", default_value = "", hide_default_value = true)]
    pub(crate) log_driver: String,
    /// Options of the logging driver
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) log_opt: Vec<String>,
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_cmd: Option<String>,
    /// Time between two checks
    #[arg(long, value_name = "TIME")]
    pub(crate) health_interval: Option<String>,
    /// Time one check may take
    #[arg(long, value_name = "TIME")]
    pub(crate) health_timeout: Option<String>,
    /// Time to start before failures count
    #[arg(long, value_name = "TIME")]
    pub(crate) health_start_period: Option<String>,
    /// Time between two checks while starting
    #[arg(long, value_name = "TIME")]
    pub(crate) health_start_interval: Option<String>,
    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "TIMES")]
    pub(crate) health_retries: Option<i64>,
    /// Disable the image's health check
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
}
