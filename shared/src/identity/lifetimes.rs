//! How long tokens and sessions live.

use std::time::Duration;

/// The lifetime of an access token in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 900;

/// The largest difference between the clocks of issuer and verifier, in seconds.
pub const LEEWAY_SECONDS: i64 = 5;

/// How long after its end a token may be honoured while nobody can say if its session lives, in seconds.
pub const GRACE_SECONDS: i64 = 4 * 3600;

/// The lifetime of a session without a refresh.
pub const IDLE_SESSION: Duration = Duration::from_hours(720);

/// The longest lifetime of a session.
pub const LONGEST_SESSION: Duration = Duration::from_hours(2160);
