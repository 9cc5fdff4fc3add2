//! A dump of FreeRADIUS's database, of MySQL, MariaDB, PostgreSQL or SQLite: the tables that say who
//! may attach and with what.

use std::collections::{BTreeMap, HashMap};

use super::clients::{MigratedGateway, gateway_name, known_secret, source};
use super::pairs::{ForeignPair, ForeignUser};
use super::{ForeignFile, ForeignLine, MigrationNote};

/// The columns of a table as FreeRADIUS's schema has them; dumps may leave them out.
const TABLES: [(&str, &[&str]); 6] = [
    ("radcheck", &["id", "username", "attribute", "op", "value"]),
    ("radreply", &["id", "username", "attribute", "op", "value"]),
    ("radgroupcheck", &["id", "groupname", "attribute", "op", "value"]),
    ("radgroupreply", &["id", "groupname", "attribute", "op", "value"]),
    ("radusergroup", &["id", "username", "groupname", "priority"]),
    ("nas", &["id", "nasname", "shortname", "type", "ports", "secret"]),
];

/// What other tables of the schema hold is no configuration.
const OTHERS: [&str; 3] = ["radippool", "nasreload", "radhuntgroup"];

/// The rows that were read.
#[derive(Debug, Default)]
pub(super) struct Tables {
    rows: BTreeMap<&'static str, Vec<Row>>,
}

#[derive(Debug)]
struct Row {
    at: ForeignLine,
    cells: HashMap<&'static str, String>,
}

pub(super) fn read(file: &ForeignFile, tables: &mut Tables, notes: &mut Vec<MigrationNote>) {
    let mut copying: Option<(Option<&'static str>, Vec<String>)> = None;
    let mut inserting: Option<(usize, String)> = None;
    for (at, line) in file.text.lines().enumerate() {
        let at = at + 1;
        if let Some((table, columns)) = &copying {
            if line == "\\." {
                copying = None;
            } else if let Some(table) = *table {
                let cells = line.split('\t').map(from_copy).collect();
                tables.add(table, columns, cells, file.at(at), notes);
            }
            continue;
        }
        if inserting.is_none() {
            let lower = line.trim_start().to_ascii_lowercase();
            if lower.starts_with("copy ") && lower.contains("from stdin") {
                let (name, columns) = table_of(&line.trim_start()["copy ".len()..]);
                copying = Some((known(&name, &file.at(at), notes), columns));
            } else if lower.starts_with("insert ") || lower.starts_with("replace ") {
                inserting = Some((at, String::new()));
            }
        }
        if let Some((began, statement)) = &mut inserting {
            statement.push_str(line);
            statement.push('\n');
            if line.trim_end().ends_with(';') {
                tables.insert(&file.at(*began), statement, notes);
                inserting = None;
            }
        }
    }
}

impl Tables {
    /// `INSERT INTO table (columns) VALUES (...), (...);`, which may be many lines long.
    fn insert(&mut self, began: &ForeignLine, statement: &str, notes: &mut Vec<MigrationNote>) {
        let lower = statement.to_ascii_lowercase();
        let (Some(into), Some(values)) = (lower.find(" into "), lower.find("values")) else {
            return;
        };
        if into > values {
            return;
        }
        let (name, columns) = table_of(&statement[into + " into ".len()..values]);
        let Some(table) = known(&name, began, notes) else { return };
        let mut line = began.line + statement[..values].matches('\n').count();
        for (row, lines) in rows(&statement[values + "values".len()..]) {
            let at = ForeignLine { file: began.file.clone(), line: line + lines };
            line += lines;
            self.add(table, &columns, row, at, notes);
        }
    }

    fn add(
        &mut self,
        table: &'static str,
        columns: &[String],
        cells: Vec<String>,
        at: ForeignLine,
        notes: &mut Vec<MigrationNote>,
    ) {
        let Some((_, schema)) = TABLES.iter().find(|(name, _)| *name == table) else { return };
        // Old schemas of radusergroup have no id.
        let skip = usize::from(columns.is_empty() && cells.len() < schema.len());
        let places: Vec<Option<&'static str>> = if columns.is_empty() {
            schema.iter().skip(skip).copied().map(Some).collect()
        } else {
            let known = |name: &String| schema.iter().copied().find(|one| one == name);
            columns.iter().map(known).collect()
        };
        if cells.len() < places.len() {
            notes.push(
                at.note(format!("a row of {table} with {} values cannot be read", cells.len())),
            );
            return;
        }
        let cells = places.into_iter().zip(cells).filter_map(|(name, cell)| Some((name?, cell)));
        let cells = cells.collect();
        self.rows.entry(table).or_default().push(Row { at, cells });
    }

    fn of(&self, table: &str) -> impl Iterator<Item = &Row> {
        self.rows.get(table).into_iter().flatten()
    }

    /// The table nas: clients that FreeRADIUS reads from its database.
    pub(super) fn gateways(
        &self,
        gateways: &mut Vec<MigratedGateway>,
        notes: &mut Vec<MigrationNote>,
    ) {
        for row in self.of("nas") {
            let (address, name) = (row.cell("nasname"), row.cell("shortname"));
            let secret =
                known_secret(row.cell("secret")).filter(|_| !row.cell("secret").is_empty());
            let (Some(source), Some(secret)) = (source(address, None), secret) else {
                notes.push(row.at.note(format!("nas {address:?}: no address, or no secret")));
                continue;
            };
            let name = gateway_name(if name.is_empty() { address } else { name });
            gateways.push(MigratedGateway {
                at: row.at.clone(),
                name,
                source,
                secret,
                requirement: None,
                limit_proxy_state: None,
            });
        }
    }

    /// The users with their own items and those of their first group.
    pub(super) fn into_entries(self, notes: &mut Vec<MigrationNote>) -> Vec<ForeignUser> {
        let mut users: BTreeMap<String, ForeignUser> = BTreeMap::new();
        let mut groups: HashMap<&str, Vec<(u32, &Row)>> = HashMap::new();
        for row in self.of("radusergroup") {
            let priority = row.cell("priority").parse().unwrap_or(1);
            groups.entry(row.cell("username")).or_default().push((priority, row));
        }
        for row in ["radcheck", "radreply", "radusergroup"].iter().flat_map(|name| self.of(name)) {
            let name = row.cell("username");
            users.entry(name.to_owned()).or_insert_with(|| ForeignUser {
                at: row.at.clone(),
                name: name.to_owned(),
                checks: Vec::new(),
                replies: Vec::new(),
                group: None,
            });
        }
        for user in users.values_mut() {
            let mut own = groups.remove(user.name.as_str()).unwrap_or_default();
            own.sort_by_key(|(priority, _)| *priority);
            for (_, row) in own.iter().skip(1) {
                notes.push(row.at.note(format!(
                    "{} is in {}, too; its first group counts, add the other to secondary_groups",
                    user.name,
                    row.cell("groupname")
                )));
            }
            user.group = own.first().map(|(_, row)| row.cell("groupname").to_owned());
        }
        let mut of_groups: HashMap<&str, (Vec<ForeignPair>, Vec<ForeignPair>)> = HashMap::new();
        for row in self.of("radgroupcheck") {
            of_groups.entry(row.cell("groupname")).or_default().0.push(row.pair());
        }
        for row in self.of("radgroupreply") {
            of_groups.entry(row.cell("groupname")).or_default().1.push(row.pair());
        }
        for user in users.values_mut() {
            if let Some((checks, replies)) =
                user.group.as_deref().and_then(|name| of_groups.get(name))
            {
                user.checks.clone_from(checks);
                user.replies.clone_from(replies);
            }
        }
        // Behind those of the group: what a user has of its own counts.
        for row in self.of("radcheck") {
            users
                .entry(row.cell("username").to_owned())
                .and_modify(|user| user.checks.push(row.pair()));
        }
        for row in self.of("radreply") {
            users
                .entry(row.cell("username").to_owned())
                .and_modify(|user| user.replies.push(row.pair()));
        }
        users.into_values().collect()
    }
}

impl Row {
    fn cell(&self, name: &str) -> &str {
        self.cells.get(name).map_or("", String::as_str)
    }

    fn pair(&self) -> ForeignPair {
        ForeignPair {
            at: self.at.clone(),
            attribute: self.cell("attribute").to_owned(),
            operator: self.cell("op").to_owned(),
            value: self.cell("value").to_owned(),
        }
    }
}

/// A table that is read, by its name with or without a schema. What else begins with `rad` is told,
/// but for what was recorded.
fn known(name: &str, at: &ForeignLine, notes: &mut Vec<MigrationNote>) -> Option<&'static str> {
    let known = TABLES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
    if OTHERS.contains(&name) {
        notes.push(at.note(format!("the table {name} has no counterpart")));
    }
    known
}

/// The name of a table, and its columns if they stand there.
fn table_of(text: &str) -> (String, Vec<String>) {
    let plain = |text: &str| {
        let text = text.trim().rsplit('.').next().unwrap_or_default();
        text.trim_matches(['`', '"', '\'', '[', ']', ' ', '\n']).to_ascii_lowercase()
    };
    match text.split_once('(') {
        Some((name, columns)) => {
            let columns = columns.split(')').next().unwrap_or_default();
            (plain(name), columns.split(',').map(plain).collect())
        }
        None => (plain(text.split_whitespace().next().unwrap_or_default()), Vec::new()),
    }
}

/// The rows in parentheses, each with how many lines after the one before it begins.
fn rows(text: &str) -> Vec<(Vec<String>, usize)> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut is_within, mut lines, mut began) = (false, 0, 0);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => lines += 1,
            '(' if !is_within => (is_within, began) = (true, lines),
            '\'' if is_within => {
                while let Some(letter) = letters.next() {
                    match letter {
                        '\'' if letters.peek() == Some(&'\'') => cell.extend(letters.next()),
                        '\'' => break,
                        '\\' => cell.extend(letters.next().map(unescaped)),
                        _ => cell.push(letter),
                    }
                }
            }
            ',' if is_within => row.push(finished(&mut cell)),
            ')' if is_within => {
                row.push(finished(&mut cell));
                rows.push((std::mem::take(&mut row), began));
                (is_within, lines) = (false, lines - began);
            }
            _ if is_within && !letter.is_whitespace() => cell.push(letter),
            _ => {}
        }
    }
    rows
}

fn finished(cell: &mut String) -> String {
    let cell = std::mem::take(cell);
    if cell.eq_ignore_ascii_case("null") { String::new() } else { cell }
}

const fn unescaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        other => other,
    }
}

/// A cell of `COPY`: `\N` is nothing.
fn from_copy(cell: &str) -> String {
    if cell == "\\N" {
        return String::new();
    }
    let mut plain = String::with_capacity(cell.len());
    let mut letters = cell.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next().map(unescaped) } else { Some(letter) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(text: &str) -> (Vec<String>, Vec<String>) {
        let file = ForeignFile { name: "dump.sql".into(), text: text.to_owned() };
        let (mut tables, mut notes) = (Tables::default(), Vec::new());
        read(&file, &mut tables, &mut notes);
        let users = tables.into_entries(&mut notes);
        let shown = users.iter().map(|user| {
            let pairs = user.checks.iter().chain(&user.replies);
            let pairs: Vec<_> = pairs
                .map(|one| {
                    format!("{}{}{}@{}", one.attribute, one.operator, one.value, one.at.line)
                })
                .collect();
            format!("{} {:?} {}", user.name, user.group.as_deref(), pairs.join(" "))
        });
        (shown.collect(), notes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rows_of_mysql_and_of_postgresql_are_the_same() {
        let mysql = "CREATE TABLE `radcheck` (\n  `id` int\n);\n\
            INSERT INTO `radcheck` VALUES (1,'1','A',':=','it''s'),\n(2,'2','B','==','a;\\'b');\n\
            INSERT INTO `radusergroup` VALUES ('1','g',1),('1','h',9);\n\
            insert into radgroupreply (groupname, attribute, op, value) values ('g', 'C', '=', NULL);\n\
            INSERT INTO `radacct` VALUES (1,'x');\nINSERT INTO radippool VALUES (1);\n";
        let (shown, notes) = users(mysql);
        assert_eq!(shown, ["1 Some(\"g\") A:=it's@4 C=@7", "2 None B==a;'b@5"]);
        assert_eq!(
            notes,
            [
                "dump.sql:9: the table radippool has no counterpart",
                "dump.sql:6: 1 is in h, too; its first group counts, add the other to secondary_groups",
            ]
        );
        let postgresql = "COPY public.radcheck (id, username, attribute, op, value) FROM stdin;\n\
            1\t1\tA\t:=\tit's\n\\.\n\
            COPY public.radusergroup (id, username, groupname, priority) FROM stdin;\n1\t1\tg\t1\n\\.\n";
        assert_eq!(users(postgresql).0, ["1 Some(\"g\") A:=it's@2"]);
    }

    #[test]
    fn whatever_stands_there_ends() {
        for text in [
            "INSERT INTO",
            "INSERT INTO x VALUES",
            "INSERT VALUES INTO (",
            "COPY x FROM stdin;",
            "INSERT INTO radcheck VALUES ((((;",
            "INSERT INTO radcheck VALUES ('\\",
            "INSERT INTO nas VALUES (1);",
        ] {
            let _ = users(text);
            let _ = users(&format!("{text};\n"));
        }
    }
}
