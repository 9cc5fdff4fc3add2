//! attachd as users run it: a child process with a folder of its own. However a test ends, the
//! child ends with it.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a machine that is busy with other tests.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What every configuration of a test begins with: ports that the kernel chooses.
const PORTS: &str = "[radius]\nauth = [\"127.0.0.1:0\"]\nacct = [\"127.0.0.1:0\"]\nworkers = 2\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// The festival, in a folder that may be changed.
pub struct Folder(TempDir);

/// A running server.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    pub auth: Vec<SocketAddr>,
    pub acct: Vec<SocketAddr>,
    pub tls: Vec<SocketAddr>,
    pub http: SocketAddr,
}

/// A server that is no more.
pub struct Ended {
    pub status: ExitStatus,
    pub stderr: String,
}

impl Folder {
    pub fn new() -> Self {
        Self::with(PORTS)
    }

    /// With an attachd.toml of one's own.
    pub fn with(settings: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("attachd.toml", settings);
        fs::create_dir(folder.path("inventory")).unwrap();
        let festival = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/festival");
        for name in ["inventory.toml", "endpoints.csv"] {
            fs::copy(festival.join(name), folder.path("inventory").join(name)).unwrap();
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names of the files in it.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Puts `to` in the place of `from`, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// As everybody starts it. A file that may not grow any further is an error to it, like a full
    /// disk, and not its end.
    pub fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "trap '' XFSZ; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_attachd"),
            "serve",
            "--config",
        ]);
        command
            .arg(self.path("attachd.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs until it says that it is ready.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, options: &[&str]) -> Server {
        let (mut server, stdout) = Server::spawn(self.command().args(options));
        let Ok(ready) = stdout.recv_timeout(TIMEOUT) else {
            panic!("attachd is not ready: {}", server.kill().stderr)
        };
        server.read_addresses(&ready);
        server
    }

    /// Expects that it does not come so far.
    pub fn refuses(&self) -> Ended {
        let (server, stdout) = Server::spawn(&mut self.command());
        match stdout.recv_timeout(TIMEOUT) {
            Err(RecvTimeoutError::Disconnected) => server.ended(),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {
                panic!("attachd goes on all the same: {}", server.kill().stderr)
            }
        }
    }
}

impl Server {
    /// A server that may not be ready yet, and the lines that it prints.
    pub fn spawn(command: &mut Command) -> (Self, mpsc::Receiver<String>) {
        Self::spawn_with_log(command.stderr(Stdio::piped()))
    }

    /// The same with a standard error of the command's own, which may be one that nobody reads.
    pub fn spawn_with_log(command: &mut Command) -> (Self, mpsc::Receiver<String>) {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&log);
        let reader = child.stderr.take().map(|stderr| {
            let lines = BufReader::new(stderr).lines();
            thread::spawn(move || {
                lines
                    .map_while(Result::ok)
                    .for_each(|line| *shared.lock().unwrap() += &(line + "\n"));
            })
        });
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        (
            Self {
                child,
                log,
                reader,
                auth: Vec::new(),
                acct: Vec::new(),
                tls: Vec::new(),
                http: ([0, 0, 0, 0], 0).into(),
            },
            told,
        )
    }

    /// `attachd 0.1.0 ready: auth 127.0.0.1:1812, acct 127.0.0.1:1813, http 127.0.0.1:8080`
    pub fn read_addresses(&mut self, ready: &str) {
        let (_, listed) =
            ready.split_once(" ready: ").unwrap_or_else(|| panic!("no ready line: {ready}"));
        for pair in listed.split(", ") {
            let (what, address) = pair.split_once(' ').unwrap();
            let address = address.parse().unwrap();
            match what {
                "auth" => self.auth.push(address),
                "acct" => self.acct.push(address),
                "tls" => self.tls.push(address),
                "http" => self.http = address,
                other => panic!("what is `{other}` in {ready}"),
            }
        }
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect_timeout(&self.http, TIMEOUT).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http)
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// An endpoint, as the API shows it.
    pub fn endpoint(&self, iccid: &str) -> Value {
        self.json(&format!("/api/v1/endpoints/{iccid}"))["data"].clone()
    }

    pub fn has_metric(&self, line: &str) -> bool {
        self.get("/metrics").1.lines().any(|have| have == line)
    }

    /// Waits until it is so; some things happen a little later than their reply.
    pub fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        const PAUSE: Duration = Duration::from_millis(20);
        let tries = TIMEOUT.as_millis() / PAUSE.as_millis();
        assert!(
            (0..tries).any(|_| is_so(self) || {
                thread::sleep(PAUSE);
                false
            }),
            "not so after {TIMEOUT:?}: {what}"
        );
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Signals it so many times, as fast as a shell can.
    pub fn signals(&self, name: &str, times: usize) {
        let line = format!(
            "i=0; while [ $i -lt {times} ]; do kill -{name} {}; i=$((i+1)); done",
            self.child.id()
        );
        assert!(Command::new("sh").arg("-c").arg(line).status().unwrap().success());
    }

    /// From now on no file of it may be longer; `None`: as long as it likes.
    pub fn limit_files(&self, octets: Option<u64>) {
        let limit = Rlimit { current: octets, maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    /// An orderly end.
    pub fn terminate(self) -> Ended {
        self.signal("TERM");
        self.ended()
    }

    /// As if the machine had lost its power.
    pub fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        self.ended()
    }

    pub fn ended(mut self) -> Ended {
        let status = self.child.wait().unwrap();
        let _ = self.reader.take().map(JoinHandle::join);
        Ended { status, stderr: self.log() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
