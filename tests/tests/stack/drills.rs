//! Drills: faults on the local server as a program, and what its log then holds, read as CloudWatch reads it.

mod alarm;
mod alarms;
mod events;
mod faults;
mod limits;
mod log;
mod math;
mod owned;
mod prometheus;
mod records;
mod restore;
mod units;
