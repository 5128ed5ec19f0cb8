//! Programs of others that pass WebSockets on, started beside ours: HAProxy, nginx, mitmproxy.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
};

use crate::{child::Server, measure};

/// A program that can be compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rival {
    /// HAProxy in its HTTP mode, which records nothing.
    HaProxy,
    /// nginx, which records nothing.
    Nginx,
    /// `mitmdump -w`, which records.
    MitmProxy,
}

impl Rival {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HaProxy, Self::Nginx, Self::MitmProxy];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::HaProxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::MitmProxy => "mitmproxy -w",
        }
    }

    fn installation(self) -> &'static str {
        match self {
            Self::HaProxy => "apt-get install haproxy",
            Self::Nginx => "apt-get install nginx-light",
            Self::MitmProxy => "pip install mitmproxy, in an environment whose bin folder is on PATH",
        }
    }

    /// Starts it in front of `engine`, with its files in `folder`; says so and returns nothing if it is not installed.
    ///
    /// # Errors
    ///
    /// What the system says, or the program by ending.
    pub async fn start(self, engine: SocketAddr, folder: &Path) -> io::Result<Option<Server>> {
        let address = free_address()?;
        let path = |name: &str| folder.join(format!("{name}-{}", address.port()));
        let mut command = match self {
            Self::HaProxy => {
                let file = path("haproxy.cfg");
                std::fs::write(&file, haproxy(address, engine))?;
                let mut command = Command::new("haproxy");
                command.args(["-db", "-q", "-f"]).arg(file);
                command
            }
            Self::Nginx => {
                let prefix = path("nginx");
                std::fs::create_dir_all(&prefix)?;
                let file = prefix.join("nginx.conf");
                std::fs::write(&file, nginx(address, engine))?;
                let mut command = Command::new("nginx");
                command.arg("-p").arg(prefix).arg("-c").arg(file).args(["-e", "stderr"]);
                command
            }
            Self::MitmProxy => {
                let mut command = Command::new("mitmdump");
                command.args(["--mode", &format!("reverse:http://{engine}"), "--listen-host", "127.0.0.1"]);
                command
                    .args(["--listen-port", &address.port().to_string(), "--quiet", "-w"])
                    .arg(path("flows"));
                command.arg("--set").arg(format!("confdir={}", path("mitmproxy").display()));
                command
            }
        };
        let child = match command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                measure::line(&format!(
                    "!! {} IS NOT ON PATH, its rows are left out: {}",
                    self.name(),
                    self.installation()
                ));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.name()));
        Server::foreign(child, address).await.map(Some).map_err(named)
    }
}

/// Finds an address that is free now; these programs cannot be asked which they took.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn haproxy(listen: SocketAddr, engine: SocketAddr) -> String {
    format!(
        "global\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n  \
         timeout tunnel 1h\nlisten websockets\n  bind {listen}\n  server engine {engine}\n"
    )
}

fn nginx(listen: SocketAddr, engine: SocketAddr) -> String {
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  \
         uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  tcp_nodelay on;\n  keepalive_requests 1000000;\n  \
         map $http_upgrade $connection_upstream {{ default upgrade; '' ''; }}\n  \
         upstream engine {{ server {engine}; keepalive 64; keepalive_requests 1000000; }}\n  server {{\n    listen {listen};\n    location / {{\n      \
         proxy_pass http://engine;\n      proxy_http_version 1.1;\n      proxy_set_header Upgrade $http_upgrade;\n      \
         proxy_set_header Connection $connection_upstream;\n      proxy_read_timeout 1h;\n      proxy_send_timeout 1h;\n    }}\n  }}\n}}\n"
    )
}
