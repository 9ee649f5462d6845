//! One cache of verdicts for several instances, on a real Redis server: who is told what, who judges, and what happens when the
//! cache fails.

mod by_name;
mod costs;
mod fleet;
mod layers;
mod leases;
mod migration;
mod outages;
mod scripts;
