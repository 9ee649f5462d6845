//! From nothing to the first answer: CPU and memory of a new environment.

use tests::runtime_api::Function;

use crate::Effort;
use crate::deployment::{Deployment, FUNCTIONS, answer, event};
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, millis};

/// Medians of one function.
#[derive(Default)]
struct Starts {
    /// CPU until it asks for its first event.
    ready: Samples,
    /// CPU until it has answered it.
    answered: Samples,
    /// Wall time until it asks for its first event.
    init: Samples,
    resident: Samples,
}

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let deployment = Deployment::start().await;
    let token = deployment.register("cold").await;
    let runs = effort.of(30, 8);
    for (name, event) in FUNCTIONS {
        // An event that the tables' own state does not change the cost of: verdicts are there from the first run on.
        let event = event.map(|event| tests::events::text_of(event).replace("${ACCESS_TOKEN}", &token));
        let starts = start(&deployment.function_with_tls(name), runs, |_| event.clone()).await;
        report.note(&format!("cold.{name}.ready_cpu"), starts.ready.median(), "ms");
        if event.is_some() {
            report.note(&format!("cold.{name}.first_answer_cpu"), starts.answered.median(), "ms");
        }
        report.note(&format!("cold.{name}.ready_after"), starts.init.median(), "ms");
        report.note(&format!("cold.{name}.resident"), starts.resident.median(), "MB");
    }
    let cached = event(&token, 5);
    let plain = start(&deployment.function("classify"), runs, |_| Some(cached.clone())).await;
    report.note(
        "cold.classify.first_answer_cpu_without_tls",
        plain.answered.median(),
        "ms",
    );

    // A batch whose posts nobody has judged: the embedded model is loaded for it.
    let unheard = |run| Some(cached.replace("Post number", &format!("Run {run}, post")));
    let judging = start(&deployment.function_with_tls("classify"), runs, unheard).await;
    report.note("cold.classify.first_judged_cpu", judging.answered.median(), "ms");
    report.note("cold.classify.resident_once_judging", judging.resident.median(), "MB");
}

async fn start(function: &Function, runs: usize, event: impl Fn(usize) -> Option<String>) -> Starts {
    let mut starts = Starts::default();
    // One more first, which fills what later ones find: the page cache, the verdicts.
    for run in 0..=runs {
        let environment = function.start().await.expect("a good start");
        let id = environment.process_id();
        process::asleep(id).await;
        let ready = process::cpu(id);
        if let Some(event) = event(run) {
            answer(&environment, &event).await;
            process::asleep(id).await;
        }
        if run > 0 {
            starts.init.push(millis(environment.init_duration));
            starts.ready.push(millis(ready));
            starts.answered.push(millis(process::cpu(id)));
            starts.resident.push(process::resident(id));
        }
    }
    starts
}
