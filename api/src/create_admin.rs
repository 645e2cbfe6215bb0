//! `ordermill-api create-admin`: there are no default credentials, so the first admin is made here.

use std::io::BufRead as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ordermill_common::clock;
use ordermill_common::db::{self, Db};
use ordermill_common::id::UserId;
use ordermill_common::user::{self, BadEmail, BadPassword, Busy, Email, Hasher, NewUser, Password};
use ordermill_common::user::{Registered, Role, User, store};

use crate::config::AdminArgs;

/// The admin was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateAdminError {
    /// The text given is no e-mail.
    #[error("--email")]
    Email(#[from] BadEmail),
    /// The password given cannot be one.
    #[error("the password on standard input")]
    Password(#[from] BadPassword),
    /// There was no password.
    #[error("cannot read the password from standard input")]
    Stdin(#[source] std::io::Error),
    /// The system has no randomness to make one from.
    #[error("cannot make a password: {0}")]
    Random(getrandom::Error),
    /// An account of a buyer is not turned into an admin's.
    #[error("{0} has an account that is not an admin's; choose another e-mail")]
    IsUser(String),
    /// The database refused.
    #[error("cannot write the account")]
    Db(#[from] db::Error),
    /// Cannot happen with one password to hash.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Makes the admin, or says that it is there already. A password that was made here is printed, once.
pub async fn create_admin(db: &Db, args: &AdminArgs) -> Result<(), CreateAdminError> {
    let email = Email::parse(&args.email)?;
    if let Some((user, _)) = store::find_by_email(db.pool(), &email).await? {
        return exists(&user);
    }
    let (text, made) = if args.password_stdin { (first_line()?, false) } else { (random()?, true) };
    let hash = Hasher::new(args.bcrypt.bcrypt_cost).hash(Password::parse(text.clone())?).await?;
    let id = UserId::mint();
    let new =
        NewUser { id, email: email.clone(), hash, role: Role::Admin, created_at: clock::now() };
    match user::register(db, new).await? {
        Registered::Done(user) => {
            println!("admin: {} ({})", user.email, user.id);
            if made {
                println!("password: {text}");
            }
            Ok(())
        }
        Registered::EmailTaken => match store::find_by_email(db.pool(), &email).await? {
            Some((user, _)) => exists(&user),
            None => Err(db::Error::Impossible("an e-mail is taken by nobody".to_owned()).into()),
        },
    }
}

fn exists(user: &User) -> Result<(), CreateAdminError> {
    match user.role {
        Role::Admin => {
            println!(
                "admin: {} ({}) exists already; the password was not changed",
                user.email, user.id
            );
            Ok(())
        }
        Role::User => Err(CreateAdminError::IsUser(user.email.to_string())),
    }
}

fn first_line() -> Result<String, CreateAdminError> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(CreateAdminError::Stdin)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn random() -> Result<String, CreateAdminError> {
    let mut bytes = [0_u8; 18];
    getrandom::fill(&mut bytes).map_err(CreateAdminError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
