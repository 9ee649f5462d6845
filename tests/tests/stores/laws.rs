//! Laws, checked on random histories: the implementation on a real table against a reference that is too simple to be wrong.

mod captures;
mod leases;
mod quota;
mod rankings;
mod refresh;
mod safe_pictures;
mod sessions;
mod shared_replies;
mod simulated_day;
mod statistics;
