//! Other people's proxies, started with the very output of `stepgate recipe` and as little around it as
//! each of them needs to run at all.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tools::Finished;
use super::{Setup, run, wait_until};

/// A proxy, and the form of its recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Traefik,
    Caddy,
    EnvoyGrpc,
    EnvoyHttp,
    Haproxy,
}

/// A port that nobody else gets while this is held; whoever sets SO_REUSEADDR may listen on it.
pub struct Reserved {
    _socket: socket2::Socket,
    pub port: u16,
}

impl Reserved {
    pub fn new() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        socket.set_reuse_port(true).expect("SO_REUSEPORT");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let port = socket.local_addr().ok().and_then(|a| a.as_socket()).expect("bound").port();
        Self { _socket: socket, port }
    }
}

/// A running proxy; killed when dropped.
pub struct Proxy {
    child: Child,
    log: PathBuf,
}

impl Kind {
    /// The command line of the recipe.
    pub fn recipe(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["recipe", "nginx"],
            Self::Traefik => &["recipe", "traefik"],
            Self::Caddy => &["recipe", "caddy"],
            Self::EnvoyGrpc => &["recipe", "envoy"],
            Self::EnvoyHttp => &["recipe", "envoy", "--form", "http"],
            Self::Haproxy => &["recipe", "haproxy"],
        }
    }

    /// Writes the recipe for this setup into its directory; what it says besides.
    #[track_caller]
    pub fn write(self, setup: &Setup, apps: &[String]) -> Finished {
        let directory = setup.path("recipe");
        let _ = fs::remove_dir_all(&directory);
        let directory = directory.to_string_lossy().into_owned();
        let mut arguments = self.recipe().to_vec();
        arguments.extend(["--write", &directory]);
        for app in apps {
            arguments.extend(["--app", app]);
        }
        setup.command(&arguments, "").expect(0)
    }

    /// Lets the proxy itself judge the recipe; nothing to ask of those that judge by starting only.
    #[track_caller]
    pub fn validate(self, directory: &Path) {
        let (recipe, frame) = (directory.join("recipe"), self.frame(directory));
        let mut command = match self {
            Self::Nginx => {
                let mut nginx = Command::new(tool("nginx"));
                nginx.args(["-t", "-q", "-p"]).arg(directory).arg("-c").arg(frame);
                nginx
            }
            Self::Caddy => {
                let mut caddy = caddy(directory);
                caddy.args(["validate", "--adapter", "caddyfile", "--config"]).arg(frame);
                caddy
            }
            Self::EnvoyGrpc | Self::EnvoyHttp => {
                let mut envoy = Command::new(tool("envoy"));
                envoy.args(["--mode", "validate", "-l", "error", "-c"]).arg(frame);
                envoy
            }
            Self::Haproxy => {
                let mut haproxy = Command::new(tool("haproxy"));
                haproxy.current_dir(recipe).args(["-c", "-q", "-f", "haproxy.cfg"]);
                haproxy
            }
            Self::Traefik => return,
        };
        run(&mut command).expect(0);
    }

    /// The file to start with: the recipe, or a minimal frame around it.
    fn frame(self, directory: &Path) -> PathBuf {
        let recipe = directory.join("recipe");
        match self {
            Self::Nginx => {
                let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .iter()
                    .map(|what| format!("{what}_temp_path {}/{what};\n", directory.display()))
                    .collect();
                let text = format!(
                    "daemon off; master_process off; pid {0}/nginx.pid; error_log stderr;\nevents {{}}\n\
                     http {{ access_log off;\n{temporary}include {0}/recipe/stepgate.conf; }}\n",
                    directory.display()
                );
                let frame = directory.join("nginx.conf");
                fs::write(&frame, text).expect("the directory is writable");
                frame
            }
            Self::Caddy => {
                let recipe = fs::read_to_string(recipe.join("Caddyfile")).expect("the recipe");
                let text = format!(
                    "{{\n\tadmin off\n\tpersist_config off\n\tauto_https disable_redirects\n\tlocal_certs\n\tskip_install_trust\n}}\n{recipe}"
                );
                let frame = directory.join("Caddyfile");
                fs::write(&frame, text).expect("the directory is writable");
                frame
            }
            Self::Traefik => recipe.join("stepgate.yaml"),
            Self::EnvoyGrpc | Self::EnvoyHttp => recipe.join("envoy.yaml"),
            Self::Haproxy => recipe.join("haproxy.cfg"),
        }
    }
}

impl Proxy {
    /// Starts it with the recipe in `directory`, and waits until `port` is listened on.
    #[track_caller]
    pub fn start(kind: Kind, directory: &Path, port: u16) -> Self {
        let frame = kind.frame(directory);
        let mut command = match kind {
            Kind::Nginx => {
                let mut nginx = Command::new(tool("nginx"));
                nginx.arg("-p").arg(directory).arg("-c").arg(frame);
                nginx
            }
            Kind::Caddy => {
                let mut caddy = caddy(directory);
                caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(frame);
                caddy
            }
            Kind::Traefik => {
                let mut traefik = Command::new(tool("traefik"));
                // It would take a `traefik.yaml` where it is started for its static configuration.
                traefik
                    .current_dir(directory)
                    .args(["--log.level=INFO", "--global.checknewversion=false"])
                    .arg("--entrypoints.web.http.aliasheadersstrategy=delete")
                    .arg(format!("--entrypoints.web.address=127.0.0.1:{port}"))
                    .arg(format!("--providers.file.filename={}", frame.display()));
                traefik
            }
            Kind::EnvoyGrpc | Kind::EnvoyHttp => {
                let mut envoy = Command::new(tool("envoy"));
                envoy
                    .args([
                        "--disable-hot-restart",
                        "--concurrency",
                        "1",
                        "-l",
                        "warning",
                        "-c",
                    ])
                    .arg(frame);
                envoy
            }
            Kind::Haproxy => {
                let mut haproxy = Command::new(tool("haproxy"));
                haproxy.current_dir(directory.join("recipe")).args(["-db", "-f", "haproxy.cfg"]);
                haproxy
            }
        };
        let log = directory.join("proxy.log");
        let out = fs::File::create(&log).expect("the directory is writable");
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file"))
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut proxy = Self { child, log };
        wait_until("the proxy to listen", || {
            if let Ok(Some(status)) = proxy.child.try_wait() {
                panic!("the proxy ended with {status}");
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the proxy ---\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

fn caddy(directory: &Path) -> Command {
    let mut caddy = Command::new(tool("caddy"));
    caddy
        .env("HOME", directory)
        .env("XDG_DATA_HOME", directory)
        .env("XDG_CONFIG_HOME", directory);
    caddy
}

/// A program that `tests/run` has installed, beside the binary under test or on the search path.
pub fn tool(name: &str) -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_stepgate"));
    let beside = beside.ancestors().nth(2).map(|target| target.join("tools/bin").join(name));
    let system = Path::new("/usr/sbin").join(name);
    [beside, Some(system)]
        .into_iter()
        .flatten()
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(name))
}
