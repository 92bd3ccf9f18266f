//! Exec: further processes in a running container.

use serde::{Deserialize, Serialize};

use crate::container::words;
use crate::omit;

/// The body of `POST /containers/{id}/exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecCreateRequest {
    /// `user`, `uid`, `user:group` or `uid:gid`; empty for the container's.
    pub user: String,
    /// Whether it has all rights.
    pub privileged: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// The first size of the terminal: height, width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u32; 2]>,
    /// Whether standard input is attached.
    pub attach_stdin: bool,
    /// Whether standard error is attached.
    pub attach_stderr: bool,
    /// Whether standard output is attached.
    pub attach_stdout: bool,
    /// The keys that detach.
    pub detach_keys: String,
    /// `NAME=value`, beyond the container's.
    pub env: Option<Vec<String>>,
    /// The working directory; empty for the container's.
    pub working_dir: String,
    /// The program and its arguments.
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
}

/// The answer of `POST /containers/{id}/exec`, `POST /commit` and others that create something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IdResponse {
    /// The id.
    pub id: String,
}

/// The body of `POST /exec/{id}/start`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecStartRequest {
    /// Whether nobody waits for its output.
    pub detach: bool,
    /// Whether it has a terminal; must agree with what was created.
    pub tty: bool,
    /// The first size of the terminal: height, width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u32; 2]>,
}

/// `GET /exec/{id}/json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecInspect {
    /// The id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whether it runs.
    pub running: bool,
    /// The exit status; `null` while it runs.
    pub exit_code: Option<i64>,
    /// What runs.
    pub process_config: ProcessConfig,
    /// Whether standard input is open.
    pub open_stdin: bool,
    /// Whether standard error is open.
    pub open_stderr: bool,
    /// Whether standard output is open.
    pub open_stdout: bool,
    /// Whether it can be removed.
    pub can_remove: bool,
    /// The id of the container.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// The keys that detach, in base 64.
    pub detach_keys: String,
    /// The process id on the host.
    pub pid: i64,
}

/// What an exec runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessConfig {
    /// Whether it has a terminal.
    pub tty: bool,
    /// The program.
    pub entrypoint: String,
    /// Its arguments.
    pub arguments: Option<Vec<String>>,
    /// Whether it has all rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// The user.
    #[serde(skip_serializing_if = "omit::zero")]
    pub user: String,
}
