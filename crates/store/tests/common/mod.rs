//! A real PostgreSQL per test program, with TLS, thrown away when the program ends.
#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use melouvert_domain::Siren;
use melouvert_store::{Actor, MayMake, NewAgent, PlatformStore, Server, TenantDb, TenantStore};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

/// Debian's `nobody`, since PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
/// Runs the server until the standard input closes, hence also when the tests are killed.
/// Its sessions have the memory that the image gives them.
const GUARD: &str = r#"dir=$1 kib=$2; shift 2; (ulimit -d "$kib"; exec "$@") & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid; rm -rf "$dir""#;
const ENTRYPOINT: &str = include_str!(
    "../../../../tenant-template/images/postgresql/files/usr/local/bin/postgres-entrypoint"
);
const PASSWORD: &str = "administrator-of-the-tests";
/// The readers' password in tests.
pub const READER: &str = "reader-k7mq2xpz4hrt";

/// A running server.
pub struct Postgres {
    /// Administrator access.
    pub server: Server,
    guard: Child,
    directory: PathBuf,
}

impl Postgres {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        let binaries = binaries();
        // Handed over to the guard, which removes it.
        let directory = tempfile::tempdir().unwrap().keep();
        let ca_pem = certificates(&directory);
        fs::write(directory.join("password"), PASSWORD).unwrap();
        fs::write(
            directory.join("hba"),
            "hostssl all all 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        give_away(&directory);
        let data = directory.join("data").display().to_string();
        let password = format!("--pwfile={}", directory.join("password").display());
        let output = unprivileged(&binaries.join("initdb"), &directory)
            .args(["-D", &data, "-U", "melouvert", "--no-sync"])
            .args(["--auth=scram-sha-256", &password])
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb: {output:?}");
        let port = free_port();
        let guard = spawn(&binaries, &directory, port);
        let server = Server {
            host: "localhost".into(),
            port,
            user: "melouvert".into(),
            password: PASSWORD.into(),
            ca_pem,
        };
        wait(&directory, &data);
        Self {
            server,
            guard,
            directory,
        }
    }

    /// The platform's store.
    pub async fn platform(&self) -> PlatformStore {
        PlatformStore::connect(&self.server, MayMake::First)
            .await
            .unwrap()
    }

    /// A tenant's store, opened if need be.
    pub async fn tenant(&self, siren: &str) -> TenantStore {
        open(&self.platform().await, siren).await.unwrap()
    }

    /// The superuser on one database.
    pub async fn superuser(&self, database: &str) -> PgConnection {
        self.login("melouvert", PASSWORD, database).await.unwrap()
    }

    /// Anybody, on one database.
    pub async fn login(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.server.host)
            .port(self.server.port)
            .username(user)
            .password(password)
            .database(database)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(self.server.ca_pem.clone().into_bytes());
        PgConnection::connect_with(&options).await
    }

    /// Runs a script as the superuser, as the administrator of an external server does.
    pub fn psql(&self, database: &str, more: &[&str], script: &str) {
        let mut child = Command::new(binaries().join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "localhost"])
            .args(["-p", &self.server.port.to_string(), "-U", "melouvert"])
            .args(["-d", database])
            .args(more)
            .args(["-f", "-"])
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", "require")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The server's own log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Opens a tenant's database.
pub async fn open(
    platform: &PlatformStore,
    siren: &str,
) -> Result<TenantStore, melouvert_store::StoreError> {
    open_if(platform, siren, MayMake::First).await
}

/// The same with a word on whether an absent one may be made.
pub async fn open_if(
    platform: &PlatformStore,
    siren: &str,
    may_make: MayMake,
) -> Result<TenantStore, melouvert_store::StoreError> {
    let tenant = TenantDb {
        siren: &self::siren(siren),
        reader_password: &SecretString::from(READER),
        may_make,
    };
    platform.ensure_tenant(&tenant, &actor()).await
}

/// A checked SIREN.
pub fn siren(text: &str) -> Siren {
    text.parse().unwrap()
}

/// Somebody.
pub fn actor() -> Actor {
    Actor::new("jeanne@hebergeur").unwrap()
}

/// An agent of 1 GiB.
pub fn agent(address: &str) -> NewAgent {
    NewAgent {
        address: address.parse().unwrap(),
        display_name: "Jeanne Martin".into(),
        quota: "1Gi".parse().unwrap(),
        password_hash: None,
    }
}

fn binaries() -> PathBuf {
    if let Ok(directory) = std::env::var("MELOUVERT_POSTGRESQL_BIN") {
        return directory.into();
    }
    fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| format!("/usr/lib/postgresql/{version}/bin").into())
        .expect("these tests need a real PostgreSQL: apt-get install postgresql")
}

fn spawn(binaries: &Path, directory: &Path, port: u16) -> Child {
    let log = fs::File::create(directory.join("log")).unwrap();
    let path = |name: &str| directory.join(name).display().to_string();
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", directory.display()),
        format!("hba_file={}", path("hba")),
        "ssl=on".into(),
        format!("ssl_cert_file={}", path("tls.crt")),
        format!("ssl_key_file={}", path("tls.key")),
        "fsync=off".into(),
        "autovacuum=off".into(),
        "log_statement=all".into(),
    ];
    let mut command = unprivileged(Path::new("/bin/sh"), directory);
    let kib = ENTRYPOINT
        .lines()
        .find_map(|line| line.strip_prefix("ulimit -d "))
        .unwrap();
    command.args(["-c", GUARD, "guard"]).arg(directory).arg(kib);
    command
        .arg(binaries.join("postgres"))
        .arg("-D")
        .arg(path("data"));
    for setting in settings {
        command.args(["-c", &setting]);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The last line of `postmaster.pid` says `ready`.
fn wait(directory: &Path, data: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let file = Path::new(data).join("postmaster.pid");
    while !fs::read_to_string(&file).is_ok_and(|text| text.contains("ready")) {
        let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "not ready: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An authority's PEM; the server's pair goes to `tls.crt` and `tls.key`.
fn certificates(directory: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&leaf_key, &issuer)
        .unwrap();
    fs::write(directory.join("tls.crt"), leaf.pem()).unwrap();
    fs::write(directory.join("tls.key"), leaf_key.serialize_pem()).unwrap();
    fs::set_permissions(directory.join("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    ca.pem()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn give_away(directory: &Path) {
    if is_root() {
        chown(directory, Some(NOBODY), Some(NOBODY)).unwrap();
        for entry in fs::read_dir(directory).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

fn unprivileged(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The same server, another login.
pub fn as_user(server: &Server, user: &str, password: &SecretString) -> Server {
    Server {
        user: user.into(),
        password: password.expose_secret().into(),
        ..server.clone()
    }
}
