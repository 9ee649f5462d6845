//! How long tokens and sessions live.

use std::time::Duration;

/// How long an access token lives, in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 900;

/// By how much the clocks of issuer and verifier may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 5;

/// For how long after its end a token may be honoured while nobody can say whether its session lives, in seconds.
pub const GRACE_SECONDS: i64 = 4 * 3600;

/// How long a session lives without being refreshed.
pub const IDLE_SESSION: Duration = Duration::from_hours(720);

/// How long a session lives at most.
pub const LONGEST_SESSION: Duration = Duration::from_hours(2160);
