//! DokuWiki from Debian, on PHP's own server, with data of its own in a temporary directory.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{run, wait_until};

/// A wiki that runs; killed when dropped.
pub struct Wiki {
    directory: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Wiki {
    /// A wiki where everybody may write and nobody signs in.
    pub fn start() -> Self {
        Self::with("$conf['useacl'] = 0;\n", &[])
    }

    /// A wiki with its own login, which only its people may read: `anna` and `ben`.
    pub fn with_people() -> Self {
        Self::with(
            "$conf['useacl'] = 1;\n$conf['authtype'] = 'authplain';\n$conf['disableactions'] = 'register';\n\
             $conf['superuser'] = '@admin';\n",
            &["anna", "ben"],
        )
    }

    /// The password of one of its people.
    pub fn password(name: &str) -> String {
        format!("app secret {name}")
    }

    fn with(configuration: &str, people: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path();
        let wiki = root.join("wiki");
        lay_out(root, &wiki);
        let conf = wiki.join("conf");
        write(
            &conf.join("local.php"),
            &format!(
                "<?php\n$conf['title'] = 'Legacy';\n{configuration}$conf['savedir'] = './data';\n$conf['userewrite'] = 0;\n"
            ),
        );
        if !people.is_empty() {
            write(&conf.join("acl.auth.php"), "*  @ALL  0\n*  @user  8\n");
            let users: String = people.iter().map(|name| user(name)).collect();
            write(&conf.join("users.auth.php"), &users);
        }
        // Debian's preload points at /var/lib; ours is beside the copy.
        write(&wiki.join("inc/preload.php"), "<?php\ndefine('DOKU_CONF', DOKU_INC.'conf/');\n");
        write(&wiki.join("data/pages/start.txt"), "====== Start ======\nA page from before.\n");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = serve(&wiki, port, &root.join("php.log"));
        wait_until("PHP to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { directory, server, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A file of the wiki.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("wiki").join(name)
    }

    /// The text of a page.
    pub fn page(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("data/pages").join(name)).unwrap_or_default()
    }

    /// The requests that PHP has answered so far, as its log has them.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("php.log")).unwrap_or_default()
    }
}

impl Drop for Wiki {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the directory is writable");
}

/// A line of DokuWiki's own users file.
fn user(name: &str) -> String {
    let hash =
        run(Command::new("openssl").args(["passwd", "-6", "-salt", "stepgate", &Wiki::password(name)]));
    format!("{name}:{}:{name} of the wiki:{name}@example.com:user\n", hash.expect(0).stdout.trim())
}

fn lay_out(root: &Path, wiki: &Path) {
    run(Command::new("cp").args(["-rL", "/usr/share/dokuwiki"]).arg(root.join("wiki"))).expect(0);
    for place in [
        "data/pages",
        "data/media",
        "data/attic",
        "data/media_attic",
        "data/meta",
        "data/media_meta",
        "data/cache",
        "data/index",
        "data/locks",
        "data/tmp",
        "data/log",
    ] {
        std::fs::create_dir_all(wiki.join(place)).expect("the directory is writable");
    }
    let conf = wiki.join("conf");
    std::fs::create_dir_all(&conf).expect("the directory is writable");
    for source in ["/usr/share/dokuwiki/conf", "/etc/dokuwiki"] {
        if Path::new(source).is_dir() {
            let _ = run(Command::new("sh")
                .arg("-c")
                .arg(format!("cp -rLn {source}/. {}/ 2>/dev/null", conf.display())));
        }
    }
    for leftover in [
        "local.php",
        "acl.auth.php",
        "users.auth.php",
        "local.protected.php",
    ] {
        let _ = std::fs::remove_file(conf.join(leftover));
    }
}

fn serve(wiki: &Path, port: u16, log: &Path) -> Child {
    let log = std::fs::File::create(log).expect("the directory is writable");
    Command::new("php")
        .args(["-d", "error_reporting=0", "-d", "display_errors=0"])
        .args(["-S", &format!("127.0.0.1:{port}"), "-t"])
        .arg(wiki)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("php is installed (tests/run installs it)")
}
