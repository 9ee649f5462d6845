//! The cost of a month, by the script that prints it line by line.

use std::process::Command;

use tests::definitions::path_of;

use crate::report::Report;

pub(crate) fn measure(report: &mut Report) {
    let script = path_of("tests/scripts/cost.py");
    let printed = Command::new("python3")
        .arg(script)
        .arg("--figure")
        .output()
        .expect("Python");
    assert!(printed.status.success(), "{printed:?}");
    let dollars = String::from_utf8_lossy(&printed.stdout).trim().parse();
    report.note("cost.month", dollars.expect("a number"), "USD");
}
