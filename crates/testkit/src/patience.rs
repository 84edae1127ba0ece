//! Waiting for something that nobody announces: bounded polling, with a name.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until `look` finds something.
///
/// # Errors
/// When it has not within `within`; the error says what was waited for.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(anyhow!("waited {within:?} in vain for {what}"));
        }
        sleep(PAUSE).await;
    }
}
