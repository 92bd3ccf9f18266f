//! Exec instances.

use api::exec::{ExecCreateRequest, ExecInspect as ApiInspect, ProcessConfig};
use engine::{ExecInspect, ExecSpec, ExecState};

/// Docker's height and width as columns and rows; nothing for 0.
pub(crate) fn console_size(size: [u32; 2]) -> Option<(u16, u16)> {
    let [rows, columns] = size.map(|cells| u16::try_from(cells).unwrap_or(u16::MAX));
    (rows > 0 && columns > 0).then_some((columns, rows))
}

/// Reads an exec to create.
pub(crate) fn spec(request: ExecCreateRequest) -> ExecSpec {
    let ExecCreateRequest {
        user,
        privileged,
        tty,
        console_size: size,
        attach_stdin,
        attach_stderr,
        attach_stdout,
        detach_keys,
        env,
        working_dir,
        cmd,
    } = request;
    ExecSpec {
        args: cmd.unwrap_or_default(),
        env: env.unwrap_or_default(),
        workdir: working_dir,
        user,
        tty,
        stdin: attach_stdin,
        stdout: attach_stdout,
        stderr: attach_stderr,
        privileged,
        console_size: size.and_then(console_size),
        detach_keys,
    }
}

/// What is shown of an exec.
pub(crate) fn inspect(exec: ExecInspect) -> ApiInspect {
    let ExecInspect { id, container, spec, state } = exec;
    let (running, exit_code, pid) = match state {
        ExecState::Created => (false, None, 0),
        ExecState::Running { pid } => (true, None, pid),
        ExecState::Exited { pid, code } => (false, Some(i64::from(code)), pid),
    };
    let mut words = spec.args.into_iter();
    ApiInspect {
        id: id.to_string(),
        running,
        exit_code,
        process_config: ProcessConfig {
            tty: spec.tty,
            entrypoint: words.next().unwrap_or_default(),
            arguments: Some(words.collect()),
            privileged: Some(spec.privileged),
            user: spec.user,
        },
        open_stdin: spec.stdin,
        open_stderr: spec.stderr,
        open_stdout: spec.stdout,
        can_remove: false,
        container_id: container.to_string(),
        detach_keys: String::new(),
        pid: i64::from(pid),
    }
}
