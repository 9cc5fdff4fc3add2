//! The dashboard without a browser: who is let in, what is offered to whom, what forms may do, and
//! that pages can be read without a script.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use support::client::token;
use support::server::{Folder, Server, TIMEOUT};

const TILL: &str = "8944500000000000014";

const PAGES: [&str; 6] = [
    "/",
    "/ui/endpoints",
    "/ui/endpoints/8944500000000000014",
    "/ui/networks",
    "/ui/gateways",
    "/ui/stock",
];

struct Page {
    status: u16,
    head: String,
    body: String,
}

/// A browser without scripts, with a token in its cookie.
struct Reader<'s> {
    server: &'s Server,
    token: String,
}

impl<'s> Reader<'s> {
    fn new(folder: &Folder, server: &'s Server, role: &str) -> Self {
        let reader = Self { server, token: token(folder, role, role) };
        server.until("the token is known", |_| reader.get("/").status == 200);
        reader
    }

    fn get(&self, path: &str) -> Page {
        self.ask("GET", path, "", "")
    }

    fn submit(&self, path: &str, fields: &str) -> Page {
        self.ask("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", fields)
    }

    fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> Page {
        let mut stream = TcpStream::connect(self.server.http).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: attachd_token={}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.server.http,
            self.token,
            body.len()
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Page { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// What stands hidden in the form of a page.
    fn proof(&self, path: &str) -> String {
        let page = self.get(path);
        let (_, rest) = page.body.split_once("name=\"proof\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

#[test]
fn nobody_is_let_in_without_a_token() {
    let folder = Folder::new();
    let server = folder.serve();
    let nobody = Reader { server: &server, token: String::new() };
    for page in PAGES.into_iter().chain(["/ui/live", "/ui/endpoints/8944500000000000014/suspend"]) {
        let answer = nobody.get(page);
        assert_eq!(answer.status, 303, "{page}");
        assert!(answer.head.contains("location: /ui/sign-in"), "{}", answer.head);
    }
    let answer = nobody.submit("/ui/sign-in", "token=0123456789abcdef0123456789abcdef");
    assert!(answer.status == 401 && answer.body.contains("no such token"), "{}", answer.body);

    let real = token(&folder, "me", "read");
    server.until("the token is known", |_| {
        nobody.submit("/ui/sign-in", &format!("token={real}")).status == 303
    });
    let answer = nobody.submit("/ui/sign-in", &format!("token=+{real}+"));
    let cookie = answer.head.lines().find(|line| line.starts_with("set-cookie")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
}

#[test]
fn pages_say_everything_without_scripts_and_load_little() {
    let folder = Folder::new();
    let server = folder.serve();
    let reader = Reader::new(&folder, &server, "read");
    let mut octets = 0;
    for path in PAGES {
        let page = reader.get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        octets += page.body.len();
        for (header, value) in [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            let line = page.head.lines().find(|line| line.starts_with(header));
            assert!(line.is_some_and(|line| line.contains(value)), "{path}: {}", page.head);
        }
        assert!(!page.body.contains("style=\"") && !page.body.contains("<script>"), "{path}");
        assert!(!page.body.contains("http://") && !page.body.contains("https://"), "{path}");
    }
    for asset in ["style.css", "live.js", "icon.svg"] {
        let asset = reader.get(&format!("/ui/assets/{asset}"));
        assert_eq!(asset.status, 200);
        octets += asset.body.len();
    }
    assert!(octets < 150_000, "all pages together have {octets} octets");

    assert!(reader.get("/").body.contains("Requests a second"));
    let list = reader.get("/ui/endpoints?q=till+1&state=active").body;
    assert!(list.contains(TILL) && list.contains("till 1"), "{list}");
    let first = reader.get("/ui/endpoints").body;
    let next = first.split("href=\"/ui/endpoints?cursor=").nth(1).unwrap();
    let next = next.split('"').next().unwrap();
    let second = reader.get(&format!("/ui/endpoints?cursor={next}"));
    let of = |page: &str| page.split("<td class=\"id\">").nth(1).map(|row| row[..70].to_owned());
    assert!(second.status == 200 && of(&second.body).is_some_and(|row| !first.contains(&row)));
    assert!(reader.get("/ui/networks").body.contains("100.64.0.0/16"));
    assert_eq!(reader.get("/ui/endpoints/8944500000000099999").status, 404);
}

#[test]
fn what_a_role_may_not_do_is_not_offered_and_not_done() {
    let folder = Folder::new();
    let server = folder.serve();
    let page = format!("/ui/endpoints/{TILL}");
    let suspend = format!("{page}/suspend");

    let reader = Reader::new(&folder, &server, "read");
    assert!(!reader.get(&page).body.contains(&suspend));
    assert_eq!(reader.get(&suspend).status, 403);
    assert_eq!(reader.submit(&suspend, "proof=x").status, 403);
    assert!(!reader.get("/ui/stock").body.contains("Activate a SIM"));

    let writer = Reader::new(&folder, &server, "write");
    assert!(writer.get(&page).body.contains(&suspend));
    for proof in ["", "proof=", &format!("proof={}", "0".repeat(64))] {
        let answer = writer.submit(&suspend, proof);
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    assert!(writer.get(&page).body.contains("state s-active\">Active"));
    let proof = writer.proof(&suspend);
    let foreign =
        "Origin: http://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let answer = writer.ask("POST", &suspend, foreign, &format!("proof={proof}"));
    assert_eq!(answer.status, 403, "a page of another origin");
    let answer = writer.submit(&suspend, &format!("proof={proof}&reason=stolen"));
    assert!(answer.status == 303 && answer.head.contains("done=suspend"), "{}", answer.body);
    let shown = writer.get(&format!("{page}?done=suspend")).body;
    assert!(shown.contains("Suspended.") && shown.contains("stolen"), "{shown}");
    let again = writer.submit(&format!("{page}/reinstate"), &format!("proof={proof}"));
    assert_eq!(again.status, 403, "an administrator's");

    let admin = Reader::new(&folder, &server, "admin");
    let proof = admin.proof(&format!("{page}/terminate"));
    assert_eq!(admin.submit(&format!("{page}/terminate"), &format!("proof={proof}")).status, 303);
    let resumed = admin.submit(&format!("{page}/resume"), &format!("proof={proof}"));
    assert_eq!(resumed.status, 409, "what the API refuses is refused here");
    assert!(admin.get(&page).body.contains("Reinstate"));
}

#[test]
fn the_dashboard_can_be_switched_off() {
    let folder = Folder::new();
    folder.edit("attachd.toml", "[http]\n", "[http]\ndashboard = false\n");
    let server = folder.serve();
    for path in ["/", "/ui/sign-in", "/ui/assets/style.css"] {
        assert_eq!(server.get(path).0, 404, "{path}");
    }
    assert_eq!(server.get("/readyz").0, 200);
}
