//! An S3 server on this machine: the Versity gateway over a directory. It needs no cluster.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::command::{command, unstartable};
use crate::error::AtPath;
use crate::program::Program;
use crate::{Layout, Progress, Result, clock};

/// A server that tests start, kill and start again over the same data. It ends with this value.
#[derive(Debug)]
pub struct ObjectServer {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl ObjectServer {
    /// The one bucket.
    pub const BUCKET: &'static str = "breakwater";
    /// Its user's key id.
    pub const KEY_ID: &'static str = "pilot";
    /// Its user's secret key; secret from nobody, and easy to find where it must not appear.
    pub const SECRET_KEY: &'static str = "breakwater-canary-s3-7c2e";

    /// Builds the server, once per machine, and starts it over `directory`, which holds the bucket and the log.
    pub fn start(layout: &Layout, directory: &Path, progress: &Progress) -> Result<Self> {
        let program = Program::Versitygw.build(layout, progress)?;
        let bucket = directory.join("data").join(Self::BUCKET);
        fs::create_dir_all(&bucket).at(&bucket)?;
        // Free now, and ours as soon as the server listens.
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = free.at(directory)?.port();
        let mut server = Self { program, directory: directory.to_owned(), port, child: None };
        server.restart()?;
        Ok(server)
    }

    /// Base URL, over plain HTTP.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The server's process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends the process at once, in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended already is what was wanted.
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Starts it anew over the same data, and waits until it listens.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let log = self.directory.join("server.log");
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).at(&log)?;
        let mut server = command([&self.program]);
        server
            .args(["--quiet", "--keep-alive", "--port", &format!("127.0.0.1:{}", self.port), "posix"])
            .arg(self.directory.join("data"))
            .env("ROOT_ACCESS_KEY", Self::KEY_ID)
            .env("ROOT_SECRET_KEY", Self::SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(out.try_clone().at(&log)?)
            .stderr(out);
        self.child = Some(server.spawn().map_err(|source| unstartable(&server, source))?);
        clock::wait("the S3 server", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        })
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.kill();
    }
}
