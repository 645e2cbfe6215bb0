//! What can go wrong with the database, and what each kind of trouble asks for.

use sqlx::mysql::MySqlDatabaseError;

/// The outcome of a database operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A database operation did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server or the connection refused.
    #[error("the database refused or could not be reached")]
    Sqlx(#[from] sqlx::Error),
    /// No answer in time; the connection is out of step.
    #[error("the database did not answer in time")]
    TimedOut,
    /// COMMIT was sent and its answer was lost; it may or may not have happened.
    #[error("the outcome of a commit is unknown")]
    CommitUnknown(#[source] Box<Error>),
    /// A statement touched another number of rows than it had to; the transaction must roll back.
    #[error("{what} touched {touched} rows instead of {expected}")]
    RowCount {
        /// The statement, in words.
        what: &'static str,
        /// How many rows it had to touch.
        expected: u64,
        /// How many it touched.
        touched: u64,
    },
    /// A row holds what no code of ours writes.
    #[error("impossible row: {0}")]
    Impossible(String),
    /// The unit of work panicked.
    #[error("a unit of work panicked")]
    Panicked,
}

/// What went wrong decides what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Deadlock, lost connection, read-only or full server, unknown commit: run the whole unit again.
    Rerun,
    /// A row was held by somebody else for too long (1205), or a statement took longer than the server
    /// allows. Only the statement was rolled back.
    LockWait,
    /// A unique key is taken (1062).
    Duplicate,
    /// Anything else: it would fail again.
    Permanent,
}

/// Server errors that another try may outlive: deadlock, changed since read, too many connections,
/// shutting down, killed, interrupted, stood still for too long, read only, disk full.
const RERUN: [u16; 17] = [
    1213, 1020, 1040, 1203, 1226, 1053, 1927, 2006, 2013, 3169, 1317, 4031, 1290, 1792, 1836, 1021,
    1114,
];
/// Of these, those that end the connection.
const LOST: [u16; 6] = [1053, 1927, 2006, 2013, 3169, 4031];
/// A row was held by somebody else, or a statement took longer than the server allows, which is mostly the same.
const LOCK_WAIT: [u16; 4] = [1205, 3572, 1969, 3024];
/// Of these, those that may be due to the statement's own size.
const LATE: [u16; 2] = [1969, 3024];
const DUPLICATE: u16 = 1062;

impl Error {
    /// What this error asks for.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Sqlx(sqlx::Error::Database(_)) => match self.number() {
                Some(DUPLICATE) => Trouble::Duplicate,
                Some(number) if LOCK_WAIT.contains(&number) => Trouble::LockWait,
                Some(number) if RERUN.contains(&number) => Trouble::Rerun,
                _ => Trouble::Permanent,
            },
            Self::TimedOut
            | Self::CommitUnknown(_)
            | Self::Sqlx(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::BeginFailed
                | sqlx::Error::WorkerCrashed,
            ) => Trouble::Rerun,
            Self::Sqlx(_) | Self::RowCount { .. } | Self::Impossible(_) | Self::Panicked => {
                Trouble::Permanent
            }
        }
    }

    /// Whether the connection was lost under the work: by the network, by the server, or by a time limit.
    pub fn connection_is_lost(&self) -> bool {
        match self {
            Self::TimedOut | Self::CommitUnknown(_) => true,
            Self::Sqlx(sqlx::Error::Database(_)) => {
                self.number().is_some_and(|number| LOST.contains(&number))
            }
            Self::Sqlx(error) => matches!(
                error,
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
            ),
            _ => false,
        }
    }

    /// Whether a time limit ended the work, ours or the server's.
    pub fn is_late(&self) -> bool {
        match self {
            Self::TimedOut => true,
            Self::CommitUnknown(error) => error.is_late(),
            _ => self.number().is_some_and(|number| LATE.contains(&number)),
        }
    }

    /// The server's number for it.
    fn number(&self) -> Option<u16> {
        match self {
            Self::Sqlx(sqlx::Error::Database(error)) => {
                error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
            }
            _ => None,
        }
    }

    /// Whether a COMMIT may have happened although it was not confirmed.
    pub fn commit_is_unknown(&self) -> bool {
        matches!(self, Self::CommitUnknown(_))
    }
}

/// Refuses a statement that touched another number of rows than `expected`; the caller rolls back.
/// (The driver asks the server for found rows, so an update that changes nothing counts as touched.)
pub fn touched(
    what: &'static str,
    expected: usize,
    outcome: &sqlx::mysql::MySqlQueryResult,
) -> Result<()> {
    let (expected, touched) = (expected as u64, outcome.rows_affected());
    if expected == touched { Ok(()) } else { Err(Error::RowCount { what, expected, touched }) }
}
