//! Logs on a folder: both directions, files that come and go, and torn ends.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::journal::{JournalFolder, JournalPosition, Storage};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

const OPTIONS: LogOptions =
    LogOptions { file_size: 300, keep_for: Duration::from_secs(8000), keep_size: 1 << 20 };

fn open(folder: &Path, options: LogOptions) -> LogWriter {
    let storage: Arc<dyn Storage> = Arc::new(JournalFolder::open(folder).unwrap());
    LogWriter::open(storage, options).unwrap()
}

fn position(offset: u64) -> JournalPosition {
    JournalPosition { segment: 1, offset }
}

fn write(log: &mut LogWriter, texts: &[&str], offset: u64, now: Timestamp) {
    for text in texts {
        log.append(now, 7, text.as_bytes());
    }
    log.write(position(offset), now).unwrap();
}

fn shown(item: &LogItem<'_>) -> String {
    match item {
        LogItem::Message(message) => {
            format!("{} {}", message.sequence, str::from_utf8(message.octets).unwrap())
        }
        LogItem::Missing { sequence, .. } => format!("{sequence} ?"),
    }
}

fn forward(view: &LogView, cursor: &mut LogCursor) -> Vec<String> {
    let mut read = Vec::new();
    while cursor.next < view.end() {
        let gap = view.forward(cursor, |item| {
            read.push(shown(&item));
            ControlFlow::Continue(())
        });
        assert_eq!(gap.unwrap(), None);
    }
    read
}

fn backward(view: &LogView, before: u64) -> Vec<String> {
    let mut read = Vec::new();
    view.backward(before, |item| {
        read.push(shown(&item));
        ControlFlow::Continue(())
    })
    .unwrap();
    read
}

#[test]
fn what_is_written_is_read_in_both_directions_across_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path(), OPTIONS);
    let view = log.view();
    assert_eq!((view.earliest(), view.end(), log.position()), (1, 1, None));
    let texts: Vec<String> = (1..=30).map(|number| format!("{number} m{number}")).collect();
    let wakes = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&wakes);
    let watch = view.subscribe(move || _ = counted.fetch_add(1, Ordering::Relaxed));
    for number in 1..=30_u64 {
        write(&mut log, &[&format!("m{number}")], number, NOW);
    }
    drop(watch);
    assert!(fs::read_dir(folder.path()).unwrap().count() > 3);
    let mut cursor = LogCursor::at(1);
    assert_eq!(forward(&view, &mut cursor), texts);
    assert_eq!(forward(&view, &mut LogCursor::at(17)), texts[16..]);
    write(&mut log, &["m31"], 31, NOW);
    assert_eq!(forward(&view, &mut cursor), ["31 m31"]);
    assert_eq!(wakes.load(Ordering::Relaxed), 30);

    let newest_first: Vec<String> = texts.iter().rev().cloned().collect();
    assert_eq!(backward(&view, 31), newest_first);
    assert_eq!(backward(&view, 3), ["2 m2", "1 m1"]);
    assert_eq!(backward(&view, 0), [""; 0]);

    let mut cursor = LogCursor::at(4);
    view.forward(&mut cursor, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(cursor.next, 5);
}

#[test]
fn a_torn_end_is_cut_and_gets_the_same_numbers_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path(), OPTIONS);
    write(&mut log, &["a", "b"], 100, NOW);
    write(&mut log, &["c"], 200, NOW);
    drop(log);
    let file = folder.path().join("log-000000000001");
    let whole = fs::read(&file).unwrap();
    for length in 0..=whole.len() {
        let mut torn = whole[..length].to_vec();
        torn.extend([0x5a; 40]);
        fs::write(&file, &torn).unwrap();
        let storage: Arc<dyn Storage> = Arc::new(JournalFolder::open(folder.path()).unwrap());
        let Ok(mut log) = LogWriter::open(storage, OPTIONS) else {
            assert!(length < 50, "only without a header it is none: {length}");
            continue;
        };
        let kept = log.view().end();
        match log.position() {
            None => assert_eq!(kept, 1),
            Some(at) if at == position(100) => assert_eq!(kept, 3),
            Some(at) => assert_eq!((at, kept), (position(200), 4)),
        }
        let missing = &["a", "b", "c", "d"][kept as usize - 1..];
        write(&mut log, missing, 300, NOW);
        drop(log);
        let log = open(folder.path(), OPTIONS);
        assert_eq!(log.position(), Some(position(300)));
        let read = forward(&log.view(), &mut LogCursor::at(1));
        assert_eq!(read, ["1 a", "2 b", "3 c", "4 d"], "torn at {length}");
        drop(log);
        fs::remove_file(folder.path().join("log-000000000002")).ok();
    }
}

#[test]
fn old_files_go_by_age_and_by_size_and_a_late_reader_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path(), LogOptions { keep_size: 900, ..OPTIONS });
    let view = log.view();
    for number in 1..=60_u64 {
        write(&mut log, &["message"], number, NOW);
    }
    let earliest = log.retain(NOW);
    assert!(earliest > 1 && view.octets() <= 900, "{earliest}");
    let mut cursor = LogCursor::at(1);
    let gap = view.forward(&mut cursor, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(gap, Some(LogGap { from: 1, to: earliest }));
    assert_eq!(forward(&view, &mut cursor).len() as u64, 61 - earliest);

    // A quiet log has a file for each eighth of the time.
    let later = NOW + Duration::from_secs(1000);
    write(&mut log, &["later"], 61, later);
    assert!(log.retain(NOW + Duration::from_secs(7999)) < 61);
    assert_eq!(log.retain(NOW + Duration::from_secs(9000)), 61);
    drop(log);
    let log = open(folder.path(), OPTIONS);
    assert_eq!((log.view().earliest(), log.view().end()), (61, 62));
    let mut beyond = LogCursor::at(99);
    let gap = log.view().forward(&mut beyond, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(gap, Some(LogGap { from: 99, to: 62 }));
}

#[test]
fn what_is_missing_has_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path(), OPTIONS);
    log.append(NOW, 1, b"a");
    log.gap(NOW);
    log.append(NOW, 1, b"b");
    log.write(position(1), NOW).unwrap();
    assert_eq!(backward(&log.view(), u64::MAX), ["3 b", "2 ?", "1 a"]);
}

#[test]
fn a_file_of_somebody_else_is_refused_and_another_name_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    drop(open(folder.path(), OPTIONS));
    fs::write(folder.path().join("log-000000000001"), "mine").unwrap();
    let storage: Arc<dyn Storage> = Arc::new(JournalFolder::open(folder.path()).unwrap());
    let refused = LogWriter::open(storage, OPTIONS).unwrap_err();
    assert!(refused.to_string().contains("is no file of a message log"), "{refused}");
}
