//! Runs programs and waits for them, with a bound.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Longest that a program may run.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(90);

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Fails with everything the program said unless it exited with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The binary under test.
pub fn stepgate_binary() -> PathBuf {
    std::env::var_os("STEPGATE_TEST_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_stepgate")), PathBuf::from)
}

/// A command of the binary under test, with an environment that is not the developer's.
pub fn stepgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(stepgate_binary());
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("RUST_BACKTRACE", "1");
    command
}

/// Runs to the end, nothing on standard input.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    pipe_into(command, "")
}

/// Runs to the end with this on standard input.
#[track_caller]
pub fn pipe_into(command: &mut Command, input: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = watch(&mut child);
    let output = child.wait_with_output().expect("the program ends");
    drop(ended);
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a Python program given as text.
#[track_caller]
pub fn python(program: &str, arguments: &[&str]) -> Finished {
    run(Command::new("python3").arg("-c").arg(program).args(arguments))
}

/// A Python that has the libraries of `tests/peers/requirements.txt`.
pub fn peers_python() -> PathBuf {
    let target = stepgate_binary()
        .ancestors()
        .nth(2)
        .map(|target| target.join("tools/python/bin/python3"));
    target
        .filter(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// Ends a program that has not ended by itself after two minutes, for as long as the answer is held.
fn watch(child: &mut std::process::Child) -> std::sync::mpsc::SyncSender<()> {
    let (ended, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let id = child.id().to_string();
    std::thread::spawn(move || {
        if wait.recv_timeout(LONGEST) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
        }
    });
    ended
}
