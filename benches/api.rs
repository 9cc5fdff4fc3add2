//! What the management API costs: the real program, driven over loopback by connections that stay
//! open.
//!
//! `cargo bench --bench api`, or `-- --fleet 1000000`: changes of single endpoints a second and the CPU
//! that each takes, a batch of 10,000 activations, and a page with a rare filter.
#![allow(unsafe_code, reason = "the file shared with the bench of the server asks the system")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(unreachable_pub, reason = "pub is what a file offers to the others of this binary")]

#[path = "server/process.rs"]
#[allow(dead_code, reason = "shared with the bench of the server, which uses more of it")]
mod process;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use process::Spent;
use tempfile::TempDir;

/// Connections that change endpoints at the same time.
const CONNECTIONS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let fleet = arguments.iter().position(|argument| argument == "--fleet");
    let fleet = fleet.and_then(|at| arguments.get(at + 1)?.parse().ok());
    let fleet: u64 = fleet.unwrap_or(if is_test { 500 } else { 100_000 });
    let (stock, time) =
        if is_test { (50, Duration::from_millis(300)) } else { (10_000, Duration::from_secs(5)) };

    let folder = TempDir::new()?;
    write_inventory(folder.path(), fleet, stock)?;
    let server = Server::start(folder.path())?;
    let token = token(folder.path())?;
    println!("{fleet} endpoints, {stock} SIMs in the stock");

    let (done, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = Spent::by(server.child.id());
    let begun = Instant::now();
    thread::scope(|scope| {
        for worker in 0..CONNECTIONS as u64 {
            let (server, token, done, is_over) = (&server, &token, &done, &is_over);
            scope.spawn(move || {
                let mut client = Client::new(server.http, token).expect("a connection");
                let mut number = worker * 7919;
                while !is_over.load(Ordering::Relaxed) {
                    number = (number + CONNECTIONS as u64 * 104_729) % fleet;
                    let path = format!("/endpoints/{}", iccid(number));
                    let body = format!("{{\"name\": \"till {number}\"}}");
                    let answer = client.ask("PATCH", &path, &body).expect("an answer");
                    assert!(answer.contains("\"success\":true"), "{answer}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(time);
        is_over.store(true, Ordering::Relaxed);
    });
    let took = begun.elapsed();
    let spent = Spent::by(server.child.id()).since(before);
    let done = done.into_inner();
    let (each, user, system) = spent.each(done);
    println!(
        "changes of one endpoint: {:.0} a second, {each:.0} us of CPU each ({user:.0} user, {system:.0} system)",
        done as f64 / took.as_secs_f64()
    );

    let mut client = Client::new(server.http, &token)?;
    let mut items = String::new();
    for number in fleet..fleet + stock {
        let separator = if items.is_empty() { "" } else { "," };
        write!(
            items,
            "{separator}{{\"iccid\":\"{}\",\"activationCode\":\"CODE-{number}\",\"endpointGroup\":\"tills\"}}",
            iccid(number)
        )?;
    }
    let begun = Instant::now();
    let answer = client.ask("POST", "/endpoints/batch", &format!("{{\"items\":[{items}]}}"))?;
    assert!(answer.contains("\"success\":true"), "{answer:.300}");
    println!("{stock} activations in one batch: {:.2} s", begun.elapsed().as_secs_f64());

    let begun = Instant::now();
    let answer = client.ask("GET", "/endpoints?filter=name:nobody&limit=100", "")?;
    assert!(answer.contains("\"success\":true"), "{answer}");
    println!(
        "a page with a filter that nothing fits: {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

/// With a valid check digit.
fn iccid(number: u64) -> String {
    let own = format!("8944{number:014}");
    let sum: u32 = own
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{own}{}", (10 - sum % 10) % 10)
}

fn write_inventory(folder: &Path, fleet: u64, stock: u64) -> Result<(), Box<dyn Error>> {
    let settings = "[radius]\nauth = [\"127.0.0.1:0\"]\nacct = [\"127.0.0.1:0\"]\nworkers = 1\n\
        [http]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(folder.join("attachd.toml"), settings)?;
    let inventory = folder.join("inventory");
    fs::create_dir(&inventory)?;
    let catalog = "[[vslice]]\nmoniker = \"market\"\nname = \"Market\"\n\
        [[vslice.subnet]]\ncidr = \"10.0.0.0/8\"\nallocation = \"static\"\n\
        [[group]]\nmoniker = \"tills\"\nname = \"Tills\"\nvslice = \"market\"\nallocation = \"static\"\n";
    fs::write(inventory.join("inventory.toml"), catalog)?;
    let mut endpoints = "iccid,imsi,group\n".to_owned();
    for number in 0..fleet {
        writeln!(endpoints, "{},23450{number:010},tills", iccid(number))?;
    }
    fs::write(inventory.join("endpoints.csv"), endpoints)?;
    let mut sims = "iccid,imsi,activation_code\n".to_owned();
    for number in fleet..fleet + stock {
        writeln!(sims, "{},23450{number:010},CODE-{number}", iccid(number))?;
    }
    fs::write(inventory.join("stock.csv"), sims)?;
    Ok(())
}

fn token(folder: &Path) -> Result<String, Box<dyn Error>> {
    let made = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["token", "create", "--name", "bench", "--role", "admin", "--output", "json"])
        .arg("--data-dir")
        .arg(folder.join("attachd-data"))
        .output()?;
    let said: serde_json::Value = serde_json::from_slice(&made.stdout)?;
    // The server looks at the file again within a second.
    thread::sleep(Duration::from_millis(1_200));
    Ok(said["token"].as_str().unwrap_or_default().to_owned())
}

struct Server {
    child: Child,
    http: SocketAddr,
}

impl Server {
    fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_attachd"))
            .args(["serve", "--config"])
            .arg(folder.join("attachd.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut ready)?;
        let http = ready.rsplit("http ").next().unwrap_or_default().trim().parse()?;
        Ok(Self { child, http })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::terminate(self.child.id());
        let _ = self.child.wait();
    }
}

/// A connection that stays open.
struct Client<'a> {
    stream: BufReader<TcpStream>,
    token: &'a str,
}

impl<'a> Client<'a> {
    fn new(server: SocketAddr, token: &'a str) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token })
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<String, Box<dyn Error>> {
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the server closed the connection".into());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(octets) = line.strip_prefix("content-length: ") {
                length = octets.parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer)?)
    }
}
