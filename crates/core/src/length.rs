//! How long: `1h30m`, `2d`, in whole seconds from 1s to 30d.

/// A length of time in seconds, from 1 to [`Length::SECONDS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(pub(crate) u32);

impl Length {
    /// 30 days (design §4).
    pub const SECONDS_MAX: u32 = 30 * 24 * 60 * 60;

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.0
    }
}
