//! `clearview evaluate-images DIR`: what the embedded image model says of an operator's own labelled images. Nothing is shipped.
//!
//! `DIR` has a folder for each level, `0` to `3`. The images stay where they are, and nothing is sent or kept.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use shared::config::Config;
use shared::detect::Level;
use shared::detect::embedded::{KIND, judge_file};

use crate::state::StartError;

/// By true level, how many images were given each level; and those that could not be read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Confusion {
    given: [[usize; 4]; 4],
    unreadable: usize,
}

impl Confusion {
    /// Counts an image.
    pub fn note(&mut self, truth: Level, given: Option<Level>) {
        match given {
            Some(given) => self.given[usize::from(truth.number())][usize::from(given.number())] += 1,
            None => self.unreadable += 1,
        }
    }

    /// Returns of the images of some true levels, all of them and those that were given `from` or more.
    fn given_at_least(&self, truths: &[Level], from: Level) -> (usize, usize) {
        let rows = truths.iter().map(|truth| self.given[usize::from(truth.number())]);
        rows.fold((0, 0), |(all, some), row| {
            let reached: usize = row[usize::from(from.number())..].iter().sum();
            (all + row.iter().sum::<usize>(), some + reached)
        })
    }

    /// Renders the table and the rates.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from("true level      given 0       1       2       3\n");
        for truth in Level::ALL {
            let [none, one, two, three] = self.given[usize::from(truth.number())];
            let label = truth.label();
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{} {label:<12} {none:>8}{one:>8}{two:>8}{three:>8}",
                truth.number()
            );
        }
        let found = self.given_at_least(&[Level::Nudity, Level::Explicit], Level::Nudity);
        let alarms = self.given_at_least(&[Level::Safe, Level::Suggestive], Level::Nudity);
        let _ = writeln!(text, "found, of levels 2 and 3 given 2 or 3: {}", share(found));
        let _ = writeln!(text, "false alarms, of levels 0 and 1 given 2 or 3: {}", share(alarms));
        let _ = writeln!(text, "could not be read: {}", self.unreadable);
        text
    }
}

fn share((all, some): (usize, usize)) -> String {
    if all == 0 {
        return "no images".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of files")]
    let percent = 100.0 * some as f64 / all as f64;
    format!("{some} of {all}, {percent:.1} %")
}

/// Judges the images in a directory's folders `0` to `3`, with so many looks at each.
///
/// # Errors
/// When a folder cannot be read, there is none, or the thresholds of the environment cannot be used.
pub fn images(directory: &Path, looks: u64) -> Result<Confusion, StartError> {
    let named = |cause: &dyn std::fmt::Display| StartError(format!("{}: {cause}", directory.display()));
    let config = Config::from_env().map_err(|error| named(&error))?;
    let thresholds = config.detect.thresholds(KIND);
    let mut confusion = Confusion::default();
    let mut folders = 0;
    for truth in Level::ALL {
        let folder = directory.join(truth.number().to_string());
        if !folder.is_dir() {
            continue;
        }
        folders += 1;
        for entry in fs::read_dir(&folder).map_err(|error| named(&error))? {
            let path = entry.map_err(|error| named(&error))?.path();
            if !path.is_file() {
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| named(&error))?;
            let judged = judge_file(&bytes, looks, thresholds).map(|judgement| judgement.level);
            confusion.note(truth, judged.ok());
        }
    }
    if folders == 0 {
        return Err(named(&"has no folder 0, 1, 2 or 3"));
    }
    Ok(confusion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_images_that_were_read() {
        let mut confusion = Confusion::default();
        for (truth, given, times) in [
            (Level::Safe, Some(Level::Safe), 97),
            (Level::Safe, Some(Level::Nudity), 2),
            (Level::Suggestive, Some(Level::Suggestive), 1),
            (Level::Explicit, Some(Level::Explicit), 3),
            (Level::Nudity, Some(Level::Safe), 1),
            (Level::Safe, None, 2),
        ] {
            (0..times).for_each(|_| confusion.note(truth, given));
        }
        let text = confusion.render();
        assert!(text.contains("given 2 or 3: 3 of 4, 75.0 %"), "{text}");
        assert!(text.contains("given 2 or 3: 2 of 100, 2.0 %"), "{text}");
        assert!(text.contains("could not be read: 2"), "{text}");
        assert!(
            text.contains("0 safe               97       0       2       0"),
            "{text}"
        );
        assert!(Confusion::default().render().contains("no images"));
    }
}
