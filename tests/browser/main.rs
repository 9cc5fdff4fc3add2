//! The dashboard in a real browser (Debian's chromium and chromedriver): the tour of a new user,
//! live figures, dark and narrow. `ATTACHD_PICTURES=DIR` keeps pictures of it, as docs/ has them.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod driver;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use attachd::wire::Code;
use driver::Browser;
use support::client::token;
use support::gateway::Gateway;
use support::server::{Folder, Server};

const SIM: &str = "8944500000000900015";
const SIM_IMSI: &str = "3GPP-IMSI = 234500000900001";
const CODE: &str = "K7QF-22PD";
const TILL_IMSI: &str = "3GPP-IMSI = 234500000000001";

const PAGES: [&str; 7] = [
    "/",
    "/ui/endpoints",
    "/ui/endpoints/8944500000000900015",
    "/ui/endpoints/8944500000000900015/suspend",
    "/ui/networks",
    "/ui/gateways",
    "/ui/stock",
];

/// The festival with its stock, and a browser in front of it.
struct Visit {
    browser: Browser,
    server: Server,
    gateway: Gateway,
    _folder: Folder,
    token: String,
}

impl Visit {
    /// `None`: there is no browser here, and `tests/run` installs one.
    fn begin() -> Option<Self> {
        let browser = Browser::start()?;
        let folder = Folder::new();
        let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/festival/stock.csv");
        fs::copy(stock, folder.path("inventory").join("stock.csv")).unwrap();
        let server = folder.serve();
        let gateway = Gateway::facing(server.auth[0]);
        let token = token(&folder, "operator", "admin");
        let visit = Self { browser, server, gateway, _folder: folder, token };
        Some(visit)
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("http://{}{path}", self.server.http));
    }

    fn sign_in(&self) {
        self.open("/");
        assert_eq!(self.browser.path(), "/ui/sign-in");
        self.browser.write("#token", "0123456789abcdef");
        self.browser.click("button.primary");
        self.browser.reads("no such token");
        // The server looks at its tokens once a second.
        self.server.until("the token is known", |_| {
            self.browser.write("#token", &self.token);
            self.browser.click("button.primary");
            self.browser.path() == "/"
        });
    }

    fn attach(&mut self, who: &str, session: &str) -> Code {
        let apn = "Called-Station-Id = festival.iot";
        let reply = self.gateway.ask(self.server.auth[0], Code::ACCESS_REQUEST, &[who, apn]);
        if reply.code == Code::ACCESS_ACCEPT {
            let address = reply
                .attributes
                .iter()
                .find(|line| line.starts_with("Framed-IP-Address"))
                .cloned()
                .unwrap();
            let id = format!("Acct-Session-Id = {session}");
            let lines =
                [who, apn, &address, &id, "Acct-Status-Type = Start", "3GPP-RAT-Type = NB-IoT"];
            self.gateway.ask(self.server.acct[0], Code::ACCOUNTING_REQUEST, &lines);
        }
        reply.code
    }

    fn keep(&self, name: &str) {
        let picture = self.browser.picture();
        assert!(picture.starts_with(b"\x89PNG"), "no picture of {name}");
        if let Some(folder) = std::env::var_os("ATTACHD_PICTURES").map(PathBuf::from) {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), picture).unwrap();
        }
    }

    /// Nothing that the browser complains about; what a refused sign-in says is not ours.
    fn is_calm(&self) {
        let complaints: Vec<String> = self
            .browser
            .complaints()
            .into_iter()
            .filter(|message| !message.contains("401 (Unauthorized)"))
            .collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

#[test]
fn a_new_user_activates_a_sim_sees_it_attach_suspends_it_and_finds_why_it_is_refused() {
    let Some(mut visit) = Visit::begin() else { return };
    visit.sign_in();
    visit.browser.reads("Ready: requests are answered");

    visit.browser.click("nav a[href='/ui/stock']");
    visit.browser.write("#iccid", SIM);
    visit.browser.write("#code", "AAAA-BBBB");
    visit.browser.choose("#group", "epos");
    visit.browser.click("main button.primary");
    visit.browser.reads("do not belong together");
    visit.browser.write("#code", CODE);
    visit.browser.write("#name", "spare till");
    visit.keep("activation.png");
    visit.browser.click("main button.primary");
    visit.browser.reads("Activated.");
    assert_eq!(visit.browser.path(), format!("/ui/endpoints/{SIM}"));
    visit.browser.reads("It would be accepted");
    // The wrong code was told by a status, which the browser mentions.
    visit.browser.complaints();

    visit.open("/");
    for sim in 1..=9 {
        let who = format!("3GPP-IMSI = 23450000000000{sim}");
        visit.attach(&who, &format!("000{sim}"));
    }
    assert_eq!(visit.attach(SIM_IMSI, "0100"), Code::ACCESS_ACCEPT);
    // Without loading the page again.
    let tile = "return [...document.querySelectorAll('.tile')].map(t => t.innerText).join('|')";
    visit.server.until("the open session is seen live", |_| {
        let tiles = visit.browser.script(tile);
        tiles.as_str().is_some_and(|text| text.contains("Open sessions\n10"))
    });
    visit.attach("3GPP-IMSI = 234500000000121", "0121");
    visit
        .server
        .until("the refusal is seen live", |_| visit.browser.text().contains("endpoint-suspended"));
    visit.keep("overview.png");

    visit.browser.click("nav a[href='/ui/endpoints']");
    visit.browser.write("#q", "spare till");
    visit.browser.click("form.filters button");
    visit.browser.reads("1 found");
    visit.browser.click("td.id a");
    visit.browser.reads("NB-IoT");
    visit.browser.reads("Open");
    visit.browser.click(".actions a[href$='/suspend']");
    visit.browser.reads("1 session is open now.");
    visit.browser.write("#reason", "lost on the site");
    visit.browser.click("button.grave");
    visit.browser.reads("Suspended.");
    visit.browser.reads("It would be refused");
    visit.browser.reads("lost on the site");
    assert_eq!(visit.attach(SIM_IMSI, "0101"), Code::ACCESS_REJECT);
    visit.keep("endpoint.png");
    visit.is_calm();

    for (word, told) in [
        ("resume", "Resumed."),
        ("move", "Moved."),
        ("terminate", "Terminated."),
        ("reinstate", "Reinstated."),
    ] {
        visit.browser.click(&format!(".actions a[href$='/{word}']"));
        visit.browser.click("form .actions button");
        visit.browser.reads(told);
    }
    visit.browser.click(".who button");
    visit.browser.reads("Sign in with a token");
    visit.is_calm();
}

#[test]
fn every_page_is_good_in_the_dark_on_a_telephone_and_for_a_screen_reader() {
    let Some(mut visit) = Visit::begin() else { return };
    visit.sign_in();
    visit.attach(TILL_IMSI, "0001");
    visit.open("/ui/stock");
    visit.browser.write("#iccid", SIM);
    visit.browser.write("#code", CODE);
    visit.browser.click("main button.primary");
    visit.browser.reads("Activated.");
    let suspend = format!("/ui/endpoints/{SIM}/move");
    let axe = axe();
    let mut backgrounds = Vec::new();
    for (scheme, width) in [("light", 1280), ("dark", 400)] {
        visit.browser.colours(scheme);
        visit.browser.width(width);
        for path in PAGES {
            // It is not active: nothing to suspend, and the page says so, too.
            let path = if path.ends_with("/suspend") { &suspend } else { path };
            visit.open(path);
            let wide = visit.browser.script("return document.documentElement.scrollWidth");
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{path} is {wide} wide");
            if let Some(axe) = &axe {
                let found = visit.browser.async_script(&format!(
                    "{axe}; axe.run({{resultTypes: ['violations']}}).then(r => done(r.violations
                        .filter(v => ['serious', 'critical'].includes(v.impact))
                        .map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' '))));"
                ));
                assert_eq!(found, serde_json::json!([]), "{path}, {scheme}");
            }
        }
        let colour = "return getComputedStyle(document.body).backgroundColor";
        backgrounds.push(visit.browser.script(colour));
        visit.open("/");
        visit.keep(&format!("overview-{scheme}-{width}.png"));
    }
    assert_ne!(backgrounds[0], backgrounds[1], "dark is not light");
    visit.is_calm();
}

/// axe-core, where it is installed (`tests/run` does): what it finds, others stumble over.
fn axe() -> Option<String> {
    let path = std::env::var_os("ATTACHD_AXE").map(PathBuf::from);
    fs::read_to_string(path.unwrap_or_else(|| "/usr/local/share/axe-core/axe.min.js".into())).ok()
}
