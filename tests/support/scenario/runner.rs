//! Plays a script: makes happen what it says, and holds what it expects against what came of it.

use std::collections::HashMap;
use std::net::SocketAddr;

use attachd::identity::Iccid;
use attachd::provisioning::Prune;
use attachd::radius::pipeline::Port;
use attachd::time::Timestamp;
use attachd::wire::dictionary::Dictionary;
use attachd::wire::{Code, Secret};

use super::disk::Mood;
use super::endpoint;
use super::inventory::Files;
use super::packet::{self, Draft, Head, Names};
use super::reply;
use super::script::{Line, Script, Statement};
use super::world::{Sent, World};
use super::{below, in_hex};

/// Where a packet comes from, unless the scenario says otherwise.
const GATEWAY: &str = "127.0.0.1:40000";

/// What an Accounting-Request may be called by: `> Start 0001`.
const STATUSES: [&str; 5] = ["Start", "Interim-Update", "Stop", "Accounting-On", "Accounting-Off"];

/// The words that may follow.
const KEYWORDS: [&str; 7] = ["id", "from", "to", "secret", "as", "times", "unsigned"];

/// An error is a line and what is wrong there.
type Played = Result<(), (usize, String)>;

pub struct Runner {
    world: World,
    files: Files,
    settings: String,
    names: Names,
    /// Lines that every request of a kind has, unless it says otherwise itself.
    every: Vec<(String, Vec<Line>)>,
    /// Octets that the scenario has given a name: requests with where they came from, and replies.
    kept: HashMap<String, Request>,
    /// Every request, the latest last: a reply answers one of them.
    requests: Vec<Request>,
    packets: u64,
}

#[derive(Clone)]
struct Request {
    from: SocketAddr,
    port: Port,
    octets: Vec<u8>,
}

impl Runner {
    pub fn play(script: &Script) -> Result<World, (usize, String)> {
        let is_setting = |statement: &&Statement| {
            matches!(statement.word(0), "config" | "inventory" | "endpoints" | "clock")
        };
        let settings: Vec<&Statement> = script.statements.iter().take_while(is_setting).collect();
        let mut files = Files::festival();
        let mut text = String::new();
        let mut start = World::START;
        for statement in &settings {
            match statement.word(0) {
                "clock" => {
                    start = clock(statement.word(1)).map_err(|what| (statement.line, what))?;
                }
                "inventory" => files.catalog = statement.text(),
                "endpoints" => files.endpoints = statement.text(),
                _ => text = statement.text(),
            }
        }
        let line = settings.first().map_or(1, |statement| statement.line);
        let world = World::new(&text, &files, start).map_err(|what| (line, what))?;
        let names = Names(files.names());
        let mut runner = Self {
            world,
            files,
            settings: text,
            names,
            every: Vec::new(),
            kept: HashMap::new(),
            requests: Vec::new(),
            packets: 0,
        };
        for statement in &script.statements[settings.len()..] {
            runner.step(statement)?;
        }
        let end = script.statements.last().map_or(1, |statement| statement.line);
        runner.nothing_is_left().map_err(|what| (end, what))?;
        Ok(runner.world)
    }

    fn step(&mut self, statement: &Statement) -> Played {
        let at = |what: String| (statement.line, what);
        let word = statement.word(0);
        if word != "<" {
            self.nothing_is_left().map_err(at)?;
        }
        match word {
            ">" => return self.request(statement),
            "<" => return self.expect(statement),
            "endpoint" => return self.endpoint(statement),
            "metrics" => return self.metrics(statement),
            "recorded" => return self.recorded(statement),
            "every" => {
                let kind = statement.word(1);
                self.every.retain(|(known, _)| known != kind);
                self.every.push((kind.to_owned(), statement.body.clone()));
            }
            "after" => {
                let time = humantime::parse_duration(statement.word(1))
                    .map_err(|error| at(error.to_string()))?;
                self.world.pass(time);
            }
            "housekeep" => {
                self.world.disk.forget_told();
                self.world.housekeep();
            }
            "journal" => self.journal(statement.word(1)).map_err(at)?,
            "commit" => {
                self.world.disk.commit();
                self.world.settle();
            }
            "ready" => self.world.is_ready = statement.word(1) != "no",
            "config" => self.settings = statement.text(),
            "inventory" => self.files.catalog = statement.text(),
            "endpoints" => self.files.endpoints = statement.text(),
            "change" => self.change(statement).map_err(at)?,
            "remove" => {
                let iccid = self.names.fill(statement.word(1)).map_err(at)?;
                self.files.remove(&iccid);
            }
            "reload" => self.reload(statement).map_err(at)?,
            "crash" => self.world.restart(&self.files).map_err(at)?,
            _ => return Err(at(format!("`{word}` is no statement"))),
        }
        Ok(())
    }

    /// What came and was not expected is a fault: silence has to be told too.
    fn nothing_is_left(&self) -> Result<(), String> {
        if let Some(sent) = self.world.sent.front() {
            let code = code_of(&sent.octets);
            return Err(format!(
                "{} replies were sent that nobody expected, the first {code} to {}",
                self.world.sent.len(),
                sent.to
            ));
        }
        match self.world.drops.front() {
            Some(reason) => {
                Err(format!("a request was dropped as {}, and nobody expected it", reason.label()))
            }
            None => Ok(()),
        }
    }

    fn request(&mut self, statement: &Statement) -> Played {
        let at = |what: String| (statement.line, what);
        self.world.disk.forget_told();
        let from: Option<SocketAddr> =
            statement.after("from").map(address).transpose().map_err(at)?;
        let times: u32 = statement.after("times").map_or(Ok(1), packet::number).map_err(at)?;
        for _ in 0..times {
            let mut request = match statement.word(1) {
                "again" => self
                    .kept
                    .get(statement.word(2))
                    .cloned()
                    .ok_or(at(format!("no packet is called {}", statement.word(2))))?,
                "octets" => {
                    let octets = raw(statement).map_err(at)?;
                    Request {
                        from: address(GATEWAY).unwrap(),
                        port: port(code_of(&octets)),
                        octets,
                    }
                }
                _ => self.build(statement, from)?,
            };
            request.from = from.unwrap_or(request.from);
            match statement.after("to") {
                Some("acct") => request.port = Port::Acct,
                Some("auth") => request.port = Port::Auth,
                Some(other) => return Err(at(format!("there is no port `{other}`"))),
                None => {}
            }
            self.world.receive(request.from, request.port, &request.octets);
            if let Some(name) = statement.after("as") {
                self.kept.insert(name.to_owned(), request.clone());
            }
            self.requests.push(request);
        }
        Ok(())
    }

    fn build(
        &mut self,
        statement: &Statement,
        from: Option<SocketAddr>,
    ) -> Result<Request, (usize, String)> {
        let at = |what: String| (statement.line, what);
        let (code, lines) = self.told(statement).map_err(at)?;
        let from = from.unwrap_or(address(GATEWAY).unwrap());
        self.packets += 1;
        let count = self.packets.to_be_bytes();
        let authenticator: [u8; 16] =
            std::array::from_fn(|place| count[place % 8] ^ (0xa0 + place as u8));
        let identifier =
            statement.after("id").map_or(Ok(self.packets as u8), packet::number).map_err(at)?;
        let given = statement.after("secret").map(|secret| Secret::new(secret.as_bytes()));
        let stranger = Secret::new(b"unknown");
        let secret = given
            .as_ref()
            .or(self.world.gateways.of(from.ip()).map(|gateway| &gateway.secret))
            .unwrap_or(&stranger);
        let sealed = code != Code::ACCOUNTING_REQUEST && !statement.has("unsigned");
        let draft = Draft::read(&lines, &self.names, self.dictionary(), self.world.now)?;
        let octets =
            draft.encode(&Head { code, identifier, authenticator, secret, sealed }).map_err(at)?;
        Ok(Request { from, port: port(code), octets })
    }

    /// The code, and the lines of the request: what its name says, its own, and those that every
    /// request has.
    fn told(&self, statement: &Statement) -> Result<(Code, Vec<Line>), String> {
        let word = statement.word(1);
        let mut lines = Vec::new();
        let mut add = |text: String| {
            let line = Line { number: statement.line, text };
            if statement.body.iter().all(|own| own.name() != line.name()) {
                lines.push(line);
            }
        };
        let code = if STATUSES.contains(&word) {
            add(format!("Acct-Status-Type = {word}"));
            let session = statement.word(2);
            if !session.is_empty() && !KEYWORDS.contains(&session) {
                add(format!("Acct-Session-Id = {session}"));
            }
            Code::ACCOUNTING_REQUEST
        } else {
            packet::code(word)?
        };
        lines.extend(statement.body.iter().cloned());
        let kind = code.to_string();
        for (_, common) in
            self.every.iter().filter(|(known, _)| *known == kind || known == "request")
        {
            let new: Vec<Line> = common
                .iter()
                .filter(|line| lines.iter().all(|own| own.name() != line.name()))
                .cloned()
                .collect();
            lines.extend(new);
        }
        lines.retain(|line| !line.text.starts_with("no "));
        Ok((code, lines))
    }

    fn expect(&mut self, statement: &Statement) -> Played {
        let at = |what: String| (statement.line, what);
        let times: u32 = statement.after("times").map_or(Ok(1), packet::number).map_err(at)?;
        for _ in 0..times {
            match statement.word(1) {
                "nothing" => self.nothing_is_left().map_err(at)?,
                "silence" => self.silence(statement.word(2)).map_err(at)?,
                _ => self.reply(statement)?,
            }
        }
        Ok(())
    }

    fn silence(&mut self, reason: &str) -> Result<(), String> {
        match self.world.drops.pop_front() {
            Some(dropped) if dropped.label() == reason => Ok(()),
            Some(dropped) => Err(format!("dropped as {}, not as {reason}", dropped.label())),
            None => match self.world.sent.front() {
                Some(sent) => Err(format!("answered with {}", code_of(&sent.octets))),
                None => Err("neither answered nor counted as dropped".to_owned()),
            },
        }
    }

    fn reply(&mut self, statement: &Statement) -> Played {
        let at = |what: String| (statement.line, what);
        let Some(sent) = self.world.sent.pop_front() else {
            let dropped =
                self.world.drops.front().map(|reason| format!(": dropped as {}", reason.label()));
            return Err(at(format!("no reply{}", dropped.unwrap_or_default())));
        };
        let request = self
            .answered_by(&sent)
            .ok_or(at(format!("a reply to {} that answers no request", sent.to)))?;
        let gateway =
            self.world.gateways.of(sent.to.ip()).ok_or(at("a reply to a stranger".to_owned()))?;
        let reply = reply::proven(&sent.octets, &request.octets, &gateway.secret).map_err(at)?;
        if let Some(to) = statement.after("to").map(address).transpose().map_err(at)?
            && to != sent.to
        {
            return Err(at(format!("the reply went to {}", sent.to)));
        }
        if statement.word(1) == "octets" {
            let wanted = raw(statement).map_err(at)?;
            return if wanted == sent.octets {
                Ok(())
            } else {
                Err(at(format!("the reply is {}", in_hex(&sent.octets))))
            };
        }
        if statement.word(1) == "again" {
            let name = statement.word(2);
            let known = self.kept.get(name).ok_or(at(format!("no packet is called {name}")))?;
            return if known.octets == sent.octets {
                Ok(())
            } else {
                Err(at(format!("the reply is not {name} octet by octet")))
            };
        }
        if reply.code() != packet::code(statement.word(1)).map_err(at)? {
            let lines = below(
                reply
                    .readable(self.dictionary())
                    .lines()
                    .into_iter()
                    .map(|line| format!("{} = {}", line.name, line.value)),
            );
            return Err(at(format!("the reply is {}:{lines}", reply.code())));
        }
        let (dictionary, now) = (self.dictionary(), self.world.now);
        reply::compare(reply, statement, &mut self.names, dictionary, now)?;
        if let Some(name) = statement.after("as") {
            self.kept.insert(
                name.to_owned(),
                Request { from: sent.to, port: sent.port, octets: sent.octets },
            );
        }
        Ok(())
    }

    fn answered_by(&self, sent: &Sent) -> Option<Request> {
        let identifier = sent.octets.get(1);
        let is_it = |request: &&Request| {
            request.from == sent.to
                && request.port == sent.port
                && request.octets.get(1) == identifier
        };
        self.requests.iter().rev().find(is_it).cloned()
    }

    fn endpoint(&self, statement: &Statement) -> Played {
        let at = |what: String| (statement.line, what);
        let name = self.names.fill(statement.word(1)).map_err(at)?;
        let iccid =
            Iccid::parse(name.as_bytes()).map_err(|error| at(format!("{name}: {error}")))?;
        let seen = self.world.aaa.look(iccid, self.world.now, |entry, catalog| {
            (
                entry.state.state.moniker(),
                endpoint::tell(entry, catalog, &self.world.gateways, self.world.start),
            )
        });
        let Some((state, (sessions, leases))) = seen else {
            return if statement.word(2) == "unheard-of" {
                Ok(())
            } else {
                Err(at("there is no such endpoint".to_owned()))
            };
        };
        if statement.word(2) != state {
            return Err(at(format!("is {state}, not {}", statement.word(2))));
        }
        let is_of =
            |kind: &str, text: &str| text.split_whitespace().take(2).any(|word| word == kind);
        for (kind, told) in [("session", sessions), ("lease", leases)] {
            let lines: Vec<_> =
                statement.body.iter().filter(|line| is_of(kind, &line.text)).collect();
            endpoint::compare(&told, kind, &lines)?;
        }
        match statement
            .body
            .iter()
            .find(|line| !is_of("session", &line.text) && !is_of("lease", &line.text))
        {
            Some(line) => {
                Err((line.number, "tells neither of a session nor of a lease".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn metrics(&self, statement: &Statement) -> Played {
        let text = self.world.metrics();
        for line in &statement.body {
            if !text.lines().any(|have| have == line.text) {
                let name = line.text.split(['{', ' ']).next().unwrap_or_default();
                let like: Vec<&str> = text.lines().filter(|have| have.starts_with(name)).collect();
                return Err((
                    line.number,
                    format!(
                        "`{}` is not exposed; there is\n    {}",
                        line.text,
                        like.join("\n    ")
                    ),
                ));
            }
        }
        Ok(())
    }

    fn recorded(&self, statement: &Statement) -> Played {
        let mut told = self.world.disk.told();
        let wanted: Result<Vec<String>, _> = statement
            .body
            .iter()
            .map(|line| self.names.fill(&line.text).map_err(|what| (line.number, what)))
            .collect();
        let mut wanted = wanted?;
        // The background walk meets endpoints in no particular order.
        told.sort_unstable();
        wanted.sort_unstable();
        if told == wanted {
            Ok(())
        } else {
            Err((statement.line, format!("recorded: {}", told.join(", "))))
        }
    }

    fn journal(&mut self, word: &str) -> Result<(), String> {
        let mood = match word {
            "prompt" => Mood::Prompt,
            "held" => Mood::Held,
            "failing" => Mood::Failing,
            "overloaded" => Mood::Overloaded,
            _ => return Err(format!("a journal is not `{word}`")),
        };
        self.world.disk.set_mood(mood);
        self.world.settle();
        Ok(())
    }

    /// `change $till-1 state=suspended group=`: as if somebody had edited endpoints.csv and
    /// reloaded.
    fn change(&mut self, statement: &Statement) -> Result<(), String> {
        let iccid = self.names.fill(statement.word(1))?;
        let changes: Option<Vec<_>> =
            statement.words[2..].iter().map(|pair| pair.split_once('=')).collect();
        self.files.change(&iccid, &changes.ok_or("wants column=value")?)
    }

    /// A reload that is expected to fail says so: `reload refused`.
    fn reload(&mut self, statement: &Statement) -> Result<(), String> {
        self.world.disk.forget_told();
        let settings = self.settings.clone();
        let reloaded = self.world.reconfigure(&settings).and_then(|()| {
            self.world
                .adopt(&self.files, if statement.has("prune") { Prune::Force } else { Prune::No })
        });
        match (reloaded, statement.has("refused")) {
            (Ok(()), true) => Err("the inventory was accepted".to_owned()),
            (Err(_), true) => Ok(()),
            (reloaded, false) => {
                self.names.0.extend(self.files.names());
                reloaded
            }
        }
    }

    fn dictionary(&self) -> Dictionary {
        Dictionary::new(self.world.config.server.vendor)
    }
}

fn port(code: Code) -> Port {
    if code == Code::ACCOUNTING_REQUEST { Port::Acct } else { Port::Auth }
}

fn code_of(octets: &[u8]) -> Code {
    octets.first().copied().map_or(Code(0), Code)
}

/// The octets below a statement, in hex.
fn raw(statement: &Statement) -> Result<Vec<u8>, String> {
    packet::hex(&statement.text().split_whitespace().collect::<String>())
}

/// When a scenario begins.
fn clock(text: &str) -> Result<Timestamp, String> {
    humantime::parse_rfc3339(text).map(Timestamp::from).map_err(|error| format!("{text}: {error}"))
}

/// `192.0.2.1` is port 40000 of it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, 40000)));
    with_port.map_err(|_| format!("`{text}` is no address"))
}
