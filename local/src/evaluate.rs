//! `clearview evaluate-images DIR`: how well the configured judges of images do on pictures of an operator's own. None is shipped.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use shared::app::App;
use shared::clock::{Clock, Deadline};
use shared::config::Config;
use shared::config::providers::ProviderName;
use shared::detect::Level;
use shared::detect::judge::{self, Prepared, Subject};
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;
use vision::Picture;
use vision::looks::{self, Depth};

use crate::state::{self, Embedded, StartError};

/// The longest that one image may take.
const LONGEST: Duration = Duration::from_mins(1);

/// The images after which it says how far it is: ten seconds or more.
const SAID_AFTER: usize = 100;

/// The quantile of the normal distribution that bounds 95 % from both sides.
const NORMAL_95: f64 = 1.959_964;

/// Judges the images of a directory by the judges that the environment configures (`CLEARVIEW_DETECT_PROVIDERS`), and prints how
/// often they are right.
#[derive(Debug, Clone, Args)]
pub struct EvaluateCommand {
    /// The directory: in its folders 0, 1, 2 and 3 are images that are safe, suggestive, nude and explicit
    directory: PathBuf,

    /// Looks of the embedded model at each image: 4, or 14 as some plans have
    #[arg(long, default_value = "4", value_parser = ["4", "14"])]
    looks: String,
}

/// The counts of judged images, by the level of their folder and by the level that they were given.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Confusion {
    judged: [[u32; 4]; 4],
    unjudged: [u32; 4],
}

impl EvaluateCommand {
    /// Judges the images and prints the outcome.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
    pub async fn run(&self) -> ExitCode {
        match self.evaluate().await {
            Ok((report, complete)) => {
                print!("{report}");
                if complete { ExitCode::SUCCESS } else { ExitCode::from(2) }
            }
            Err(error) => {
                eprintln!("evaluate-images: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Returns the report, and if every image was judged.
    #[expect(clippy::print_stderr, reason = "a program for a terminal")]
    async fn evaluate(&self) -> Result<(String, bool), StartError> {
        let images = images(&self.directory)?;
        let config = Config::from_env().map_err(|error| StartError(error.to_string()))?;
        let (embedded, app) = app(config).await?;
        let depth = if self.looks == "14" {
            Depth::Fourteen
        } else {
            Depth::Four
        };
        let mut confusion = Confusion::default();
        for (n, (level, file)) in images.iter().enumerate() {
            if n > 0 && n % SAID_AFTER == 0 {
                eprintln!("{n} of {} images judged", images.len());
            }
            match judged(&app, file, depth).await {
                Ok(given) => confusion.judged[*level][usize::from(given.number())] += 1,
                Err(problem) => {
                    eprintln!("{}: {problem}", file.display());
                    confusion.unjudged[*level] += 1;
                }
            }
        }
        embedded.stop().await;
        let chain: Vec<String> = app
            .config
            .providers
            .detect
            .base
            .iter()
            .map(ToString::to_string)
            .collect();
        let first = if app.config.providers.detect_doubt.is_some() {
            "local>"
        } else {
            ""
        };
        let by = format!("{first}{}, {} looks of the embedded model", chain.join(","), self.looks);
        let complete = confusion.unjudged == [0; 4];
        Ok((confusion.report(&by, app.config.detect.flag_level), complete))
    }
}

/// Lists the images of a directory with the levels of their folders.
fn images(directory: &Path) -> Result<Vec<(usize, PathBuf)>, StartError> {
    let named = |path: &Path, cause: &dyn std::fmt::Display| StartError(format!("{}: {cause}", path.display()));
    let mut images = Vec::new();
    for folder in entries(directory)? {
        let level = (0..4).find(|level: &usize| folder.file_name().is_some_and(|name| *name == *level.to_string()));
        let level = level.ok_or_else(|| named(&folder, &"is none of the folders 0, 1, 2 and 3"))?;
        images.extend(entries(&folder)?.into_iter().map(|file| (level, file)));
    }
    if images.is_empty() {
        return Err(named(
            directory,
            &"has no images: put them into its folders 0, 1, 2 and 3, by level",
        ));
    }
    Ok(images)
}

/// Lists what is in a directory, in order, without hidden files.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, StartError> {
    let unreadable = |error| StartError(format!("{}: {error}", directory.display()));
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// Makes an app with tables in memory: what is spent is counted for this run alone.
async fn app(config: Config) -> Result<(Embedded, App), StartError> {
    let embedded = Embedded::start(None, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let client = embedded.client(&config);
    state::create_missing_tables(&client, &config.table_prefix).await?;
    let app = App::new(config, Clock::system(), &client).map_err(|error| StartError(error.to_string()))?;
    Ok((embedded, app))
}

/// Has one image judged as a request would, but by nobody who stands in.
async fn judged(app: &App, file: &Path, depth: Depth) -> Result<Level, String> {
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    let picture = Picture::decode(&bytes).map_err(|error| error.to_string())?;
    let elsewhere = app.config.providers.detect.base.iter().any(ProviderName::is_remote);
    let image = Prepared::of(&picture, &looks::of(&picture, depth), elsewhere).map_err(|error| error.to_string())?;
    let random = |error: shared::error::Error| error.to_string();
    let principal = Principal {
        user: UserId::random().map_err(random)?,
        session: SessionId::random().map_err(random)?,
        tier: Tier::free(),
        source: None,
    };
    let subject = Subject {
        principal: &principal,
        image: &image,
        digest: "",
        trace: None,
        deadline: Deadline::after(LONGEST),
    };
    let opinion = judge::judge(app, &subject).await;
    match (opinion.judged, opinion.failure) {
        (Some(judged), _) => Ok(judged.judgement.level),
        (None, Some(failure)) => Err(failure.to_string()),
        (None, None) => Err("nobody judges".to_owned()),
    }
}

impl Confusion {
    /// Describes the counts, and the rates that follow from them.
    fn report(&self, by: &str, flag_level: u8) -> String {
        let names = Level::ALL.map(|level| format!("{} {}", level.number(), level.label()));
        let mut text = format!("Judged by {by}.\n\n{:<14}", "folder");
        for name in &names {
            let _ = write!(text, "{name:>14}");
        }
        let _ = writeln!(text, "{:>14}", "not judged");
        for (level, name) in names.iter().enumerate() {
            let _ = write!(text, "{name:<14}");
            for count in self.judged[level] {
                let _ = write!(text, "{count:>14}");
            }
            let _ = writeln!(text, "{:>14}", self.unjudged[level]);
        }
        let flagged_from = usize::from(flag_level);
        let total = |levels: std::ops::Range<usize>| -> u32 {
            levels.map(|level| self.judged[level].iter().sum::<u32>()).sum()
        };
        let flagged = |levels: std::ops::Range<usize>| -> u32 {
            levels
                .map(|level| self.judged[level][flagged_from..].iter().sum::<u32>())
                .sum()
        };
        let right = (0..4).map(|level| self.judged[level][level]).sum();
        text.push('\n');
        for (name, hits, of) in [
            (
                format!("flagged, of level {flag_level} and more"),
                flagged(flagged_from..4),
                total(flagged_from..4),
            ),
            (
                format!("flagged, below level {flag_level}"),
                flagged(0..flagged_from),
                total(0..flagged_from),
            ),
            ("of exactly the folder's level".to_owned(), right, total(0..4)),
        ] {
            let _ = writeln!(text, "{name:<32}{}", rate(hits, of));
        }
        text.push_str("\nIn brackets: the interval that holds the true rate with 95 % confidence (Wilson), for images like these.\n");
        text
    }
}

/// Writes a rate with its counts and its interval.
fn rate(hits: u32, of: u32) -> String {
    let Some((low, high)) = interval(hits, of) else {
        return "no images".to_owned();
    };
    let share = f64::from(hits) / f64::from(of) * 100.0;
    format!(
        "{hits} of {of}: {share:.1} % ({:.1} to {:.1} %)",
        low * 100.0,
        high * 100.0
    )
}

/// Returns Wilson's 95 % interval of a share, if there is anything to share.
fn interval(hits: u32, of: u32) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    let (n, z) = (f64::from(of), NORMAL_95);
    let share = f64::from(hits) / n;
    let centre = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some((
        ((centre - spread) / scale).max(0.0),
        ((centre + spread) / scale).min(1.0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_wilsons() {
        for (hits, of, low, high) in [
            (0, 124, 0.0, 0.0300),
            (45, 50, 0.7864, 0.9565),
            (5, 10, 0.2366, 0.7634),
            (1, 1, 0.2065, 1.0),
        ] {
            let (found_low, found_high) = interval(hits, of).unwrap();
            assert!(
                (found_low - low).abs() < 1e-4 && (found_high - high).abs() < 1e-4,
                "{hits} of {of}: {found_low} {found_high}"
            );
        }
        assert_eq!(interval(0, 0), None);
    }

    #[test]
    fn a_report_has_the_matrix_and_the_rates() {
        let confusion = Confusion {
            judged: [[118, 2, 1, 0], [3, 0, 0, 0], [1, 1, 8, 2], [0, 0, 0, 30]],
            unjudged: [1, 0, 0, 0],
        };
        let report = confusion.report("local, 4 looks of the embedded model", 2);
        let rows: Vec<Vec<&str>> = report.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(rows.contains(&vec!["0", "safe", "118", "2", "1", "0", "1"]), "{report}");
        assert!(
            rows.contains(&vec!["3", "explicit", "0", "0", "0", "30", "0"]),
            "{report}"
        );
        for line in [
            "flagged, of level 2 and more    40 of 42: 95.2 % (84.2 to 98.7 %)",
            "flagged, below level 2          1 of 124: 0.8 % (0.1 to 4.4 %)",
            "of exactly the folder's level   156 of 166: 94.0 % (89.3 to 96.7 %)",
        ] {
            assert!(report.contains(line), "{line}\n{report}");
        }
        assert!(Confusion::default().report("local", 2).contains("no images"));
    }

    #[test]
    fn a_directory_has_a_folder_for_each_level_and_nothing_else() {
        let directory = std::env::temp_dir().join(format!("clearview-evaluate-{}", std::process::id()));
        let problem = |directory: &Path| images(directory).unwrap_err().0;
        assert!(problem(&directory).contains(directory.to_str().unwrap()));
        fs::create_dir_all(directory.join("0")).unwrap();
        assert!(problem(&directory).contains("has no images"));
        fs::write(directory.join("0/b.png"), "b").unwrap();
        fs::write(directory.join("0/a.png"), "a").unwrap();
        fs::write(directory.join(".hidden"), "").unwrap();
        let found = images(&directory).unwrap();
        assert_eq!(found, [(0, directory.join("0/a.png")), (0, directory.join("0/b.png"))]);
        fs::create_dir_all(directory.join("4")).unwrap();
        assert!(problem(&directory).contains("none of the folders"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
