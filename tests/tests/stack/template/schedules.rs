//! Schedules: each says the event that its function reads, may call it, and loses nothing that fails.

use serde_json::{Value, json};
use tests::definitions::{Template, attribute_of, list};

#[test]
fn the_days_close_is_given_its_own_time() {
    let template = Template::read();
    let (id, schedule) = template.resources("AWS::Scheduler::Schedule").next().unwrap();
    let properties = &schedule["Properties"];
    let target = &properties["Target"];
    assert_eq!(
        attribute_of(&target["Arn"]).as_deref(),
        Some(template.function_id("quota-reset"))
    );
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    assert_eq!(
        input,
        json!({"scheduledTime": "<aws.scheduler.scheduled-time>"}),
        "{id}"
    );
    // In the zone in which days are counted, and after the last request of the day before has ended.
    assert_eq!(properties["ScheduleExpressionTimezone"], "UTC");
    let expression = properties["ScheduleExpression"].as_str().unwrap();
    assert!(expression.starts_with("cron(15 0,"), "{expression}");
}

#[test]
fn what_a_schedule_could_not_do_waits_in_a_queue() {
    let template = Template::read();
    let queue = |value: &Value| {
        let queue = attribute_of(value).unwrap();
        assert_eq!(template.resource(&queue)["Type"], "AWS::SQS::Queue");
        queue
    };
    for (id, schedule) in template.resources("AWS::Scheduler::Schedule") {
        let target = &schedule["Properties"]["Target"];
        let undelivered = queue(&target["DeadLetterConfig"]["Arn"]);
        let function = &template.resource(&attribute_of(&target["Arn"]).unwrap());
        let config = &function["Properties"]["EventInvokeConfig"];
        let failed = queue(&config["DestinationConfig"]["OnFailure"]["Destination"]);
        // Both may write there, and the schedule may call its function and nothing else.
        let role = attribute_of(&target["RoleArn"]).unwrap();
        let of_schedule = list(&template.resource(&role)["Properties"]["Policies"])
            .into_iter()
            .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
            .collect();
        for (statements, queue) in [(of_schedule, &undelivered), (template.statements(function), &failed)] {
            let sends = |statement: &&&Value| list(&statement["Action"]).contains(&&json!("sqs:SendMessage"));
            let send = statements.iter().find(sends).unwrap_or_else(|| panic!("{id}"));
            assert_eq!(attribute_of(&send["Resource"]).as_ref(), Some(queue), "{id}");
        }
    }
}
