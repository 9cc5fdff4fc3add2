//! Order, pauses and ends of a receiver's queue, on a clock of the test's own.

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

fn machine(events: &[(u64, u64)]) -> DeliveryMachine {
    let mut machine = DeliveryMachine::new(DeliveryMarks::default());
    for (sequence, key) in events {
        machine.offer(*sequence, *key, NOW, format!("e{sequence}"), Vec::new());
    }
    machine
}

fn sent(machine: &mut DeliveryMachine, now: Timestamp) -> Vec<u64> {
    std::iter::from_fn(|| machine.next_attempt(now)).map(|attempt| attempt.sequence).collect()
}

fn again() -> DeliveryOutcome {
    DeliveryOutcome::Again { why: "HTTP 503".into(), retry_after: None }
}

fn later(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

#[test]
fn events_of_an_endpoint_keep_their_order_and_others_do_not_wait() {
    let mut machine = machine(&[(1, 7), (2, 7), (3, 8), (4, 7), (5, 9)]);
    assert_eq!(sent(&mut machine, NOW), [1, 3, 5]);
    assert_eq!(machine.finish(3, DeliveryOutcome::Taken, NOW, 0.5), GivenUp::No);
    machine.finish(1, again(), NOW, 0.5);
    assert_eq!(sent(&mut machine, NOW), [0; 0], "2 waits for 1");
    assert_eq!(machine.due(), Some(later(1)));
    assert_eq!(sent(&mut machine, later(1)), [1]);
    machine.finish(1, DeliveryOutcome::Taken, later(1), 0.5);
    assert_eq!(sent(&mut machine, later(1)), [2]);
    machine.finish(2, DeliveryOutcome::Taken, later(1), 0.5);
    assert_eq!(sent(&mut machine, later(1)), [4]);
    let many: Vec<(u64, u64)> = (1..=20).map(|at| (at, at)).collect();
    assert_eq!(sent(&mut self::machine(&many), NOW).len(), SIDE_BY_SIDE);
}

#[test]
fn pauses_grow_and_after_a_day_it_is_a_dead_letter() {
    let mut machine = machine(&[(1, 7), (2, 7)]);
    let mut now = NOW;
    let mut pauses = Vec::new();
    let given_up = loop {
        assert_eq!(sent(&mut machine, now), [1]);
        match machine.finish(1, again(), now, 0.5) {
            GivenUp::No | GivenUp::Failing => {}
            other => break other,
        }
        let due = machine.due().unwrap();
        pauses.push(due.since(now).as_secs());
        now = due;
    };
    assert_eq!(given_up, GivenUp::Event);
    assert_eq!(pauses[..8], [1, 5, 30, 120, 600, 1800, 3600, 3600]);
    assert_eq!((machine.dead().len(), machine.dead()[0].why.as_str()), (1, "HTTP 503"));
    assert!(now.since(NOW) >= GIVE_UP_AFTER);

    let letter = machine.take_dead("e1").unwrap();
    assert!(machine.take_dead("e1").is_none());
    machine.requeue(letter, 7, now, Vec::new());
    assert_eq!(machine.waiting(), 2);
}

#[test]
fn a_refusal_is_tried_three_times_and_an_asked_pause_is_kept() {
    let mut machine = machine(&[(1, 7)]);
    for (now, expected) in [(0, GivenUp::No), (1, GivenUp::No), (6, GivenUp::Event)] {
        assert_eq!(sent(&mut machine, later(now)), [1]);
        let refused = DeliveryOutcome::Refused { why: "HTTP 404".into() };
        assert_eq!(machine.finish(1, refused, later(now), 0.5), expected);
    }
    let mut machine = self::machine(&[(1, 7)]);
    sent(&mut machine, NOW);
    let retry_after = Some(Duration::from_secs(77));
    machine.finish(1, DeliveryOutcome::Again { why: String::new(), retry_after }, NOW, 0.5);
    assert_eq!(machine.due(), Some(later(77)));
}

#[test]
fn a_failing_receiver_is_probed_and_all_goes_on_when_it_is_back() {
    let many: Vec<(u64, u64)> = (1..=100).map(|at| (at, at)).collect();
    let mut machine = machine(&many);
    let mut now = NOW;
    let mut began = 0;
    for _ in 0..200 {
        for sequence in sent(&mut machine, now) {
            began += u32::from(machine.finish(sequence, again(), now, 0.5) == GivenUp::Failing);
        }
        now = now + Duration::from_secs(2);
    }
    assert!(machine.is_failing() && began == 1);
    now = now + PROBE_PAUSE;
    let probe = sent(&mut machine, now);
    assert_eq!(probe.len(), 1, "one at a time");
    machine.finish(probe[0], DeliveryOutcome::Taken, now, 0.5);
    assert!(!machine.is_failing());
    assert_eq!(sent(&mut machine, now).len(), SIDE_BY_SIDE);
}

#[test]
fn who_is_gone_gets_nothing_until_it_is_switched_on() {
    let mut machine = machine(&[(1, 7), (2, 8)]);
    sent(&mut machine, NOW);
    assert_eq!(machine.finish(1, DeliveryOutcome::Gone, NOW, 0.5), GivenUp::Off);
    assert_eq!((sent(&mut machine, later(9)).len(), machine.due()), (0, None));
    assert_eq!(machine.wants_from(), None);
    machine.finish(2, again(), NOW, 0.5);
    machine.switch_on();
    assert_eq!(sent(&mut machine, later(9)), [1, 2]);
}

#[test]
fn a_restart_goes_on_behind_what_is_done_and_numbers_stay() {
    let mut machine = machine(&[(1, 7), (3, 8), (4, 9)]);
    sent(&mut machine, NOW);
    machine.finish(3, DeliveryOutcome::Taken, NOW, 0.5);
    let marks = machine.marks();
    assert_eq!((marks.done_before, marks.number), (1, 1));
    let text = serde_json::to_string(&marks).unwrap();
    let mut machine = DeliveryMachine::new(serde_json::from_str(&text).unwrap());
    assert_eq!(machine.wants_from(), Some(1));
    for (sequence, key) in [(1, 7), (3, 8), (4, 9)] {
        machine.offer(sequence, key, NOW, format!("e{sequence}"), Vec::new());
    }
    let attempts: Vec<(u64, u64)> = std::iter::from_fn(|| machine.next_attempt(NOW))
        .map(|attempt| (attempt.sequence, attempt.number))
        .collect();
    assert_eq!(attempts, [(1, 1), (4, 3)]);
    for sequence in [1, 4] {
        machine.finish(sequence, DeliveryOutcome::Taken, NOW, 0.5);
    }
    assert_eq!((machine.marks().done_before, machine.marks().done.len()), (5, 0));
    machine.lose(9);
    machine.offer(9, 1, NOW, "e9".into(), Vec::new());
    assert_eq!(machine.next_attempt(NOW).unwrap().number, 8, "four that never come");
    assert_eq!(machine.lost(), 4);
}
