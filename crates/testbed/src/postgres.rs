//! A real PostgreSQL server, as a process of its own for tests.

mod process;

use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, NoTls};

use process::Served;

/// A running server that ends when this value is dropped or the test process ends.
#[derive(Debug)]
pub struct Postgres {
    served: Served,
}

/// An empty database of a test's own.
#[derive(Debug, Clone)]
pub struct Database {
    config: Config,
}

impl Postgres {
    /// The server that all tests of this process share; panics when there is none.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let started = tokio::task::spawn_blocking(Served::start);
        match started.await.expect("starting PostgreSQL panicked") {
            Ok(served) => Self { served },
            Err(reason) => panic!("{reason}"),
        }
    }

    /// Makes a database; each name may be used once.
    pub async fn create_database(&self, name: &str) -> Database {
        let server = self.database("postgres");
        server.connect().await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
        self.database(name)
    }

    fn database(&self, name: &str) -> Database {
        let mut config = Config::new();
        config.host_path(self.served.folder()).user("postgres").dbname(name);
        // A test that waits for a lock which nobody gives up fails, rather than hangs.
        config.options("-c lock_timeout=60s");
        Database { config }
    }
}

impl Database {
    /// A session of its own.
    pub async fn connect(&self) -> Client {
        let (client, connection) = self.config.connect(NoTls).await.expect("a session");
        // What goes wrong there, the client's next call reports.
        tokio::spawn(connection);
        client
    }

    /// For a process that is to connect to it.
    pub fn connection_string(&self) -> String {
        let [tokio_postgres::config::Host::Unix(folder)] = self.config.get_hosts() else { panic!("one socket") };
        let name = self.config.get_dbname().expect("a name");
        format!("host='{}' user=postgres dbname={name}", folder.display())
    }
}
