//! What the API needs to do its work.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use ordermill_common::db;
use ordermill_common::log::chain;
use ordermill_common::ops::{Part, Readiness, Standing};

use crate::state::AppState;

/// Looks at the process, the broker, the database and its schema.
#[derive(Debug)]
pub struct ApiReadiness(pub AppState);

impl Readiness for ApiReadiness {
    fn look(&self) -> BoxFuture<'_, Vec<Part>> {
        self.parts().boxed()
    }
}

impl ApiReadiness {
    async fn parts(&self) -> Vec<Part> {
        let app = &self.0;
        let mut parts = Vec::new();
        if !app.is_open() {
            parts.push(Part::new("process", Standing::Failed("starting".to_owned())));
        }
        parts.push(match app.writes.broker_is_away() {
            None => Part::new("broker", Standing::Ok),
            Some(why) => Part::new("broker", Standing::Degraded(why)),
        });
        match app.db.ping().await {
            Ok(()) => parts.push(Part::new("database", Standing::Ok)),
            Err(error) => {
                parts.push(Part::new("database", Standing::Failed(chain(&error))));
                return parts;
            }
        }
        let migrations = match db::migrations_are_current(&app.db).await {
            Ok(true) => Standing::Ok,
            Ok(false) => Standing::Failed("pending: run ordermill-api migrate".to_owned()),
            Err(error) => Standing::Failed(chain(&error)),
        };
        parts.push(Part::new("migrations", migrations));
        parts
    }
}
