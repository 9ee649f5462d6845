use super::*;

const NONE: QueueFaults = QueueFaults {
    twice: 0,
    late: 0,
    undeleted: 0,
    lost: 0,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn sent(body: &str, group: Option<&str>) -> Sent {
    Sent {
        id: body.to_owned(),
        body: body.to_owned(),
        group: group.map(str::to_owned),
        at: at(0),
        receives: 0,
        first_received: None,
    }
}

fn bodies(batch: &Batch) -> Vec<&str> {
    batch
        .receipts
        .iter()
        .map(|receipt| receipt.sent.body.as_str())
        .collect()
}

#[test]
fn a_message_is_hidden_while_in_flight_and_comes_again_unless_it_is_deleted() {
    let mut queue = QueueState::default();
    queue.send(&sent("a", None), None, NONE);
    let first = queue.receive(10, None, at(0));
    assert_eq!(bodies(&first), ["a"]);
    assert!(queue.receive(10, None, at(29)).receipts.is_empty());
    let again = queue.receive(10, None, at(30));
    assert_eq!((bodies(&again), again.receipts[0].sent.receives), (vec!["a"], 2));
    assert_eq!(again.receipts[0].sent.first_received, Some(at(0)));
    assert!(
        queue.delete(&first.receipts[0].handle, NONE).is_some(),
        "an older receipt"
    );
    assert!(queue.receive(10, None, at(90)).receipts.is_empty());
    assert_eq!(queue.delete(&first.receipts[0].handle, NONE), None);
}

#[test]
fn a_flood_of_one_group_delays_no_other() {
    let mut queue = QueueState::default();
    for n in 0..100 {
        queue.send(&sent(&format!("flood{n}"), Some("flood")), None, NONE);
    }
    queue.send(&sent("quiet", Some("quiet")), None, NONE);
    assert_eq!(bodies(&queue.receive(3, None, at(1))), ["flood0", "quiet", "flood1"]);
}

#[test]
fn a_message_that_was_received_too_often_is_a_dead_letter() {
    let mut queue = QueueState::default();
    queue.rules.redrive = Some(Redrive {
        queue: "dead".to_owned(),
        most_receives: 2,
    });
    queue.send(&sent("a", None), None, NONE);
    for receipt in 0..2 {
        let batch = queue.receive(10, Some(Duration::ZERO), at(receipt));
        assert_eq!((bodies(&batch), batch.dead.len()), (vec!["a"], 0));
    }
    let batch = queue.receive(10, None, at(3));
    assert_eq!((batch.receipts.len(), batch.dead[0].1.receives), (0, 2));
    assert_eq!(queue.count(at(3)), (Depth::default(), 0));
}

#[test]
fn visibility_can_be_changed_while_a_message_is_in_flight() {
    let mut queue = QueueState::default();
    queue.send(&sent("a", None), None, NONE);
    let handle = queue.receive(1, None, at(0)).receipts[0].handle.clone();
    assert!(queue.hide(&handle, Duration::from_secs(100), at(10)));
    assert!(queue.receive(1, None, at(109)).receipts.is_empty());
    assert!(!queue.hide(&handle, Duration::ZERO, at(110)), "it is visible");
    assert_eq!(queue.receive(1, None, at(110)).receipts.len(), 1);
    assert!(queue.hide(&handle, Duration::ZERO, at(111)));
    assert_eq!(queue.receive(1, None, at(111)).receipts.len(), 1);
    assert!(!queue.hide("7.1", Duration::ZERO, at(111)) && !queue.hide("x", Duration::ZERO, at(111)));
}

#[test]
fn delay_retention_and_counts_follow_the_clock() {
    let mut queue = QueueState::default();
    queue.rules.retention = Duration::from_mins(1);
    queue.send(&sent("now", None), None, NONE);
    queue.send(&sent("later", None), Some(Duration::from_secs(5)), NONE);
    let depth = |waiting, in_flight| Depth { waiting, in_flight };
    assert_eq!(queue.count(at(0)), (depth(1, 0), 1));
    assert_eq!(bodies(&queue.receive(10, None, at(4))), ["now"]);
    assert_eq!(queue.count(at(5)), (depth(1, 1), 0));
    assert_eq!(queue.count(at(60)), (depth(0, 0), 0));
    queue.send(
        &Sent {
            at: at(61),
            ..sent("x", None)
        },
        None,
        NONE,
    );
    assert_eq!(queue.purge().len(), 1);
    assert!(queue.receive(10, None, at(62)).receipts.is_empty());
}

#[test]
fn it_misbehaves_as_often_as_it_is_told() {
    let mut queue = QueueState::default();
    let faults = QueueFaults {
        twice: 2,
        late: 3,
        undeleted: 1,
        lost: 0,
    };
    for (body, copies) in [("a", 1), ("b", 2), ("c", 1)] {
        assert_eq!(queue.send(&sent(body, None), None, faults).len(), copies, "{body}");
    }
    let batch = queue.receive(10, None, at(1));
    assert_eq!(bodies(&batch), ["a", "b", "b"]);
    assert_eq!(bodies(&queue.receive(10, None, at(2))), ["c"], "late");
    assert_eq!(queue.delete(&batch.receipts[0].handle, faults), None);
    assert_eq!(queue.receive(10, None, at(31)).receipts.len(), 3);
    assert!(!falls_due(5, 0) && falls_due(6, 3) && !falls_due(7, 3));
}
