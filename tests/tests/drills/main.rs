//! Drills: faults on the local server as a program, and what its log then holds, read as CloudWatch reads it.
#![cfg(test)]

mod alarms;
mod limits;
mod log;
mod prometheus;
mod records;
mod restore;
