//! A program that uses the management API, over real connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use super::server::{Folder, Server, TIMEOUT};

/// One program with a token.
pub struct Client<'s> {
    pub server: &'s Server,
    pub token: String,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub json: Value,
}

/// Makes a token of the folder's data.
pub fn token(folder: &Folder, name: &str, role: &str) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["token", "create", "--name", name, "--role", role, "--output", "json", "--data-dir"])
        .arg(folder.path("attachd-data"))
        .output()
        .unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    said["token"].as_str().unwrap().to_owned()
}

impl<'s> Client<'s> {
    pub fn new(folder: &Folder, server: &'s Server, role: &str) -> Self {
        let client = Self { server, token: token(folder, role, role) };
        server.until("the token is known", |_| client.get("/apitokens/verify").status == 200);
        client
    }

    pub fn without_token(server: &'s Server) -> Self {
        Self { server, token: String::new() }
    }

    /// As Go's client does: a content type on every request.
    pub fn call(&self, method: &str, path: &str, more: &str, body: Option<&Value>) -> Answer {
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.send(method, path, &format!("Content-Type: application/json\r\n{more}"), &body)
    }

    pub fn send_csv(&self, path: &str, rows: &str) -> Answer {
        self.send("POST", path, "Content-Type: text/csv\r\n", rows)
    }

    fn send(&self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.server.http).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
            self.server.http,
            self.token,
            body.len()
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let json = serde_json::from_str(body).unwrap_or(Value::Null);
        Answer { status, head: head.to_lowercase(), json }
    }

    /// Once more after a second, if this token has asked for too much in the last one.
    pub fn get(&self, path: &str) -> Answer {
        let answer = self.call("GET", path, "", None);
        if answer.status != 429 || !answer.head.contains("retry-after: 1\r") {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        self.call("GET", path, "", None)
    }

    /// The data of something that is there.
    pub fn data(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert!(answer.status == 200 && answer.json["success"] == true, "{path}: {}", answer.json);
        answer.json["data"].clone()
    }

    /// A write that succeeds; its data.
    pub fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, "", Some(body));
        let is_done = answer.status == 200 && answer.json["success"] == true;
        assert!(is_done, "{method} {path} {body}: {} {}", answer.status, answer.json);
        answer.json["data"].clone()
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, "", None)
    }
}

impl Answer {
    pub fn is_refused(&self, status: u16, code: &str, message: &str) {
        let told = self.json["messages"].to_string();
        assert_eq!(self.status, status, "{}", self.json);
        assert_eq!(self.json["success"], false, "{}", self.json);
        assert_eq!(self.json["code"], code, "{}", self.json);
        assert!(self.json["data"].is_null() && told.contains(message), "{}", self.json);
    }
}
