//! Protocols as models, explored in every interleaving, and a fleet of the real code under dice that are thrown the same way each time.

mod fleet_run;
mod hold_model;
mod quota_model;
