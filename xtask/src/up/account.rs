//! The administrator's account: made once, its password shown once and kept nowhere.

use anyhow::Result;
use xtask::installation::Installation;
use xtask::secret;

use super::shop::Shop;

const EMAIL: &str = "admin@ordermill.example";

/// An account that may have been there before; then this password is not its password.
pub(super) struct Administrator {
    password: String,
}

impl Administrator {
    /// Offers a new account with a random password; one with this e-mail stays as it is.
    pub(super) fn create(installation: &Installation) -> Result<Self> {
        let password = secret::hex(12)?;
        let arguments = ["create-admin", "--email", EMAIL, "--password-stdin"];
        installation.api.run_once(&arguments, &format!("{password}\n"))?;
        Ok(Self { password })
    }

    /// A line for the reader: the new credential, or where the old one was shown. A login tells
    /// which, whatever words the program used.
    pub(super) fn credential(&self, shop: &Shop) -> Result<String> {
        Ok(if shop.may_login(EMAIL, &self.password)? {
            format!("{EMAIL}, password {} (shown only this once)", self.password)
        } else {
            format!("{EMAIL}, with the password shown when it was made")
        })
    }
}
