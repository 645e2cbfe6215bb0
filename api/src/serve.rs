//! The life of an API process: bind, wait for the database, answer, drain, leave.
//!
//! It listens from the first second. Until the database has been reached, found safe and up to date,
//! every request is answered 503 and `/readyz` says why; a database that is away is waited for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ordermill_common::broker::{self, Broker};
use ordermill_common::db::{self, Db, migrations_are_current};
use ordermill_common::log::chain;
use ordermill_common::ops::{self, ListenError, Patience};
use ordermill_common::owner::{Presence, Role};
use ordermill_common::retry::Backoff;
use ordermill_common::user::Hasher;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServeArgs;
use crate::readiness::ApiReadiness;
use crate::router::router;
use crate::state::{App, AppState};
use crate::token::Tokens;
use crate::writes::Writes;

/// What the relay needs at most to publish what it holds, once no request is at work.
const LEAVE: Duration = Duration::from_secs(6);

/// The process cannot serve, or could not end in order.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or the port file cannot be written.
    #[error("cannot start listening")]
    Listen(#[from] ListenError),
    /// The database's URL cannot be used.
    #[error("DATABASE_URL cannot be used")]
    DatabaseUrl(#[source] db::Error),
    /// The broker's URL cannot be used.
    #[error("AMQP_URL cannot be used")]
    BrokerUrl(#[source] broker::Error),
    /// The server would lose accepted orders.
    #[error("refusing to start (ORDERMILL_ALLOW_UNSAFE_DATABASE=true starts all the same)")]
    Unsafe(#[from] db::Unsafe),
    /// Requests were still at work at the end of the drain.
    #[error("not drained in time; what was cut off is in the log")]
    NotDrained,
}

/// A process that listens, before it answers.
#[derive(Debug)]
pub struct Server {
    app: AppState,
    api: TcpListener,
    health: TcpListener,
    side: TaskTracker,
    leave: CancellationToken,
    allow_unsafe: bool,
    drain: Duration,
    patience: Patience,
}

impl Server {
    /// Prepares everything and listens on both addresses. Does not need the database yet.
    pub async fn bind(args: &ServeArgs) -> Result<Self, ServeError> {
        let db =
            Db::new(&args.database.database_url, args.pool).map_err(ServeError::DatabaseUrl)?;
        let tokens = Tokens::new(args.tokens.keys(), args.tokens.terms());
        let hasher = Hasher::new(args.bcrypt.bcrypt_cost);
        let broker = Broker::new(&args.broker.amqp_url, &args.broker.queue_prefix)
            .map_err(ServeError::BrokerUrl)?;
        let (side, leave) = (TaskTracker::new(), CancellationToken::new());
        let writes = Writes::start(&db, &broker, &args.batch, &leave, &side);
        let app = Arc::new(App::new(db, tokens, hasher, args.shop.currency, writes));
        let health = &args.health;
        let health = listen("health", health.admin_addr, health.admin_port_file.as_deref()).await?;
        let api = listen("api", args.listen.addr, args.listen.port_file.as_deref()).await?;
        let allow_unsafe = args.database.allow_unsafe_database;
        let drain = args.shop.drain();
        let patience = Patience::default();
        Ok(Self { app, api, health, side, leave, allow_unsafe, drain, patience })
    }

    /// The same with other patience for slow clients.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Where the API listens.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Where health is answered.
    pub fn health_addr(&self) -> std::io::Result<SocketAddr> {
        self.health.local_addr()
    }

    /// What the handlers share.
    pub fn app(&self) -> &AppState {
        &self.app
    }

    /// Answers until `draining` is cancelled, then finishes what is at work, within the drain's limit.
    pub async fn run(self, draining: CancellationToken) -> Result<(), ServeError> {
        let done = CancellationToken::new();
        self.side.spawn(ops::serve_health(
            self.health,
            ApiReadiness(Arc::clone(&self.app)),
            draining.clone(),
            done.clone(),
        ));
        let router = router(Arc::clone(&self.app));
        let answering = ops::serve(self.api, router, self.patience, draining.clone());
        let opening = async {
            open(&self.app, self.allow_unsafe).await?;
            let (db, owner) = (&self.app.db, self.app.writes.owner);
            Presence::start(db, owner, Role::Api, self.leave.clone(), &self.side).await;
            Ok(())
        };
        let mut late = std::pin::pin!(overdue(&draining, self.drain));
        let served = tokio::select! {
            served = async { tokio::try_join!(
                async { answering.await; Ok(()) },
                async { draining.run_until_cancelled(opening).await.unwrap_or(Ok(())) },
            )} => served.map(|_| ()),
            () = &mut late => Err(ServeError::NotDrained),
        };
        self.app.tasks.close();
        // What is at work shares the limit with the requests.
        let finished = match served {
            Err(ServeError::NotDrained) => served,
            served => tokio::select! {
                () = self.app.tasks.wait() => served,
                () = &mut late, if draining.is_cancelled() => Err(ServeError::NotDrained),
            },
        };
        self.leave.cancel();
        done.cancel();
        self.side.close();
        if tokio::time::timeout(LEAVE, self.side.wait()).await.is_err() {
            tracing::warn!("the relay did not end in time; its messages leave from elsewhere");
        }
        self.app.db.close().await;
        finished
    }
}

async fn listen(
    what: &'static str,
    addr: SocketAddr,
    port_file: Option<&Path>,
) -> Result<TcpListener, ServeError> {
    Ok(ops::listen(what, addr, port_file).await?)
}

async fn overdue(draining: &CancellationToken, limit: Duration) {
    draining.cancelled().await;
    tokio::time::sleep(limit).await;
}

/// Opens once the database is there, safe and current; asks again until it is. Logs each new reason.
async fn open(app: &AppState, allow_unsafe: bool) -> Result<(), ServeError> {
    let mut waits = Backoff::reconnect();
    let mut told = String::new();
    loop {
        let why = match database_is_fit(&app.db, allow_unsafe).await {
            Ok(Ok(true)) => {
                app.open();
                tracing::info!("open");
                return Ok(());
            }
            Ok(Ok(false)) => "migrations are pending: run ordermill-api migrate".to_owned(),
            Ok(Err(not_safe)) => return Err(not_safe.into()),
            Err(error) => chain(&error),
        };
        if why != told {
            tracing::warn!(why, "waiting for the database");
            told = why;
        }
        tokio::time::sleep(waits.next_wait()).await;
    }
}

async fn database_is_fit(db: &Db, allow_unsafe: bool) -> db::Result<Result<bool, db::Unsafe>> {
    if let Err(not_safe) = db::refuse_unsafe(db).await? {
        if !allow_unsafe {
            return Ok(Err(not_safe));
        }
        tracing::warn!(why = %not_safe, "starting on an unsafe database");
    }
    Ok(Ok(migrations_are_current(db).await?))
}
