//! What of the deliveries outlives a restart: one file in the data folder, written whole.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::delivery::DeliveryMarks;

/// All receivers, by the ids of their handlers.
pub(super) type AllMarks = BTreeMap<Uuid, ReceiverMarks>;

/// What is kept of one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ReceiverMarks {
    #[serde(flatten)]
    pub marks: DeliveryMarks,
    /// The signing secret before the last rotation, and until when it signs as well.
    pub previous: Option<PreviousSecret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreviousSecret {
    pub secret: String,
    pub until_ms: u64,
}

/// The file.
#[derive(Debug)]
pub(super) struct MarksFile {
    path: PathBuf,
}

impl MarksFile {
    pub(super) fn in_folder(data_dir: &Path) -> Self {
        Self { path: data_dir.join("webhooks.json") }
    }

    /// Nothing, if there is no file yet.
    pub(super) fn read(&self) -> io::Result<AllMarks> {
        match fs::read(&self.path) {
            Ok(octets) => serde_json::from_slice(&octets).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(AllMarks::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces it. Secrets are in it: nobody else's to read.
    pub(super) fn write(&self, marks: &AllMarks) -> io::Result<()> {
        let draft = self.path.with_extension("json.tmp");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&serde_json::to_vec(marks)?)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = MarksFile::in_folder(folder.path());
        assert!(file.read().unwrap().is_empty());
        let marks = ReceiverMarks {
            marks: DeliveryMarks { done_before: 7, done: [9].into(), ..DeliveryMarks::default() },
            previous: Some(PreviousSecret { secret: "whsec_x".into(), until_ms: 1 }),
        };
        let all = AllMarks::from([(Uuid::nil(), marks)]);
        file.write(&all).unwrap();
        assert_eq!(file.read().unwrap(), all);
    }
}
