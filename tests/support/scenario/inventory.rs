//! The inventory of a scenario: the festival, or one written in the file; and names for its
//! endpoints.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use attachd::provisioning::Inventory;

/// The two files, as text that a scenario may change.
pub struct Files {
    pub catalog: String,
    pub endpoints: String,
}

impl Files {
    pub fn festival() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/festival");
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        Self { catalog: read("inventory.toml"), endpoints: read("endpoints.csv") }
    }

    /// The inventory that attachd reads from them. An error is told as attachd tells it.
    pub fn load(&self) -> Result<Inventory, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("inventory.toml"), &self.catalog).unwrap();
        fs::write(folder.path().join("endpoints.csv"), &self.endpoints).unwrap();
        Inventory::load(folder.path()).map_err(|problems| {
            problems.iter().map(|problem| problem.what.clone()).collect::<Vec<_>>().join("; ")
        })
    }

    /// `$till-1` is the ICCID of the endpoint named "till 1", `$till-1.imsi` its first IMSI,
    /// `$till-1.msisdn` its MSISDN.
    pub fn names(&self) -> HashMap<String, String> {
        let (header, rows) = self.rows();
        let column = |name: &str| header.iter().position(|known| known == name);
        let Some(name) = column("name") else { return HashMap::new() };
        let mut names = HashMap::new();
        for row in rows {
            let alias = row[name].split(',').next().unwrap_or_default().replace(' ', "-");
            for (key, suffix) in [("iccid", ""), ("imsi", ".imsi"), ("msisdn", ".msisdn")] {
                if let Some(at) = column(key) {
                    let first = row[at].split(';').next().unwrap_or_default();
                    names.insert(format!("{alias}{suffix}"), first.to_owned());
                }
            }
        }
        names
    }

    /// Writes other values into the row of one endpoint.
    pub fn change(&mut self, iccid: &str, changes: &[(&str, &str)]) -> Result<(), String> {
        let (header, mut rows) = self.rows();
        let at = |name: &str| {
            header
                .iter()
                .position(|known| known == name)
                .ok_or(format!("there is no column {name}"))
        };
        let key = at("iccid")?;
        let row = rows
            .iter_mut()
            .find(|row| row[key] == iccid)
            .ok_or(format!("there is no endpoint {iccid}"))?;
        for (column, value) in changes {
            (*value).clone_into(&mut row[at(column)?]);
        }
        self.write(&header, &rows);
        Ok(())
    }

    pub fn remove(&mut self, iccid: &str) {
        let (header, mut rows) = self.rows();
        rows.retain(|row| !row.iter().any(|value| value == iccid));
        self.write(&header, &rows);
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_reader(self.endpoints.as_bytes());
        let mut rows =
            reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
        (rows.next().unwrap_or_default(), rows.collect())
    }

    fn write(&mut self, header: &[String], rows: &[Vec<String>]) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(header).unwrap();
        for row in rows {
            writer.write_record(row).unwrap();
        }
        self.endpoints = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    }
}
