//! The binaries, as they are and as Lambda is sent them: deflated at zip's usual level.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use judge::Judge;
use tests::program::path_of;

use crate::deployment::FUNCTIONS;
use crate::report::Report;
use crate::stats::count;

pub(crate) fn measure(report: &mut Report) {
    for (function, _) in FUNCTIONS {
        let binary = std::fs::read(path_of(function)).expect("a built binary");
        let zipped = deflated(&binary);
        report.note(&format!("size.{function}"), count(binary.len()) / 1e6, "MB");
        report.note(&format!("size.{function}.zipped"), zipped, "MB");
        if function == "classify" {
            let model: f64 = Judge::embedded().into_iter().map(deflated).sum();
            report.note("size.classify.zipped_without_model", zipped - model, "MB");
        }
    }
}

fn deflated(bytes: &[u8]) -> f64 {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).expect("memory");
    count(encoder.finish().expect("memory").len()) / 1e6
}
