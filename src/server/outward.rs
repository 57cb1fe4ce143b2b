//! What the chat core wants of the world, joined to who can do it: places for files (XEP-0363), keys
//! of new passwords and the end of accounts (XEP-0077), push services that tell browsers, and
//! the endpoint that carries calls.

use std::sync::Arc;

use chat_core::chat::{Command, Outward};
use chat_core::id::QueryId;
use chat_core::sasl::PasswordKeys;
use chat_core::transaction::{Answer, StorageError};
use tokio::sync::{Semaphore, mpsc};

use crate::chat::accounts::Accounts;

use super::calls::Calls;
use super::pushes::Pushes;
use super::upload_grants::UploadGrants;

/// Messages between the core and who carries them out.
pub const OUTWARD_MAX: usize = 256;

/// Passwords whose keys are derived at a time: whoever changes theirs all the time takes one core at
/// the most, and each account waits for its own.
const DERIVING_MAX: usize = 1;

/// Carries out what the core wants, until it has ended.
pub async fn serve(
    mut outwards: mpsc::Receiver<Outward>,
    answer: impl Fn(QueryId, Result<Answer, StorageError>) + Clone + Send + 'static,
    command: impl Fn(Command) + Clone + Send + 'static,
    accounts: Accounts,
    grants: UploadGrants,
    pushes: Option<Pushes>,
    calls: Option<Calls>,
) {
    let deriving = Arc::new(Semaphore::new(DERIVING_MAX));
    while let Some(outward) = outwards.recv().await {
        match outward {
            Outward::RequestSlot { query, slot } => {
                let (grants, answer) = (grants.clone(), answer.clone());
                tokio::spawn(async move {
                    let given = grants.slot(slot).await.map(Answer::Slot);
                    let failed = |reason| StorageError::Failed { reason };
                    answer(query, given.map_err(|error| failed(error.to_string())));
                });
            }
            Outward::DeriveKeys { query, password, salt } => {
                let (answer, deriving) = (answer.clone(), Arc::clone(&deriving));
                tokio::spawn(async move {
                    // It ends with the server only.
                    let _turn = deriving.acquire().await;
                    let derive = move || PasswordKeys::derive(&password.0, salt);
                    let failed = |reason| StorageError::Failed { reason };
                    let keys = match tokio::task::spawn_blocking(derive).await {
                        Ok(keys) => keys.map_err(|error| failed(error.to_string())),
                        Err(error) => Err(failed(error.to_string())),
                    };
                    answer(query, keys.map(Answer::Keys));
                });
            }
            Outward::Unregister { query, account, number } => {
                let (accounts, answer) = (accounts.clone(), answer.clone());
                tokio::spawn(async move {
                    if let Err(error) = accounts.remove(account, number.as_deref()).await {
                        let reason = error.to_string();
                        answer(query, Err(StorageError::Failed { reason }));
                    }
                });
            }
            Outward::Push(push) => {
                if let Some(pushes) = &pushes {
                    pushes.deliver(*push, command.clone());
                }
            }
            Outward::Call { query, request } => {
                let answer = answer.clone();
                match &calls {
                    Some(calls) => {
                        let answer = move |given| answer(query, Ok(Answer::Call(given)));
                        calls.carry_out(*request, answer).await;
                    }
                    None => {
                        let reason = "there is no call endpoint".to_owned();
                        answer(query, Err(StorageError::Failed { reason }));
                    }
                }
            }
            // The chat's driver keeps it for itself.
            Outward::Reported(_) => {}
        }
    }
}
