//! The texts of attachd.toml, inventory.toml and endpoints.csv.

use std::fmt::Write as _;

use super::clients::{GatewaySecret, MigratedGateway};
use super::plan::{MigratedGroup, MigrationPlan};

/// The one VSlice that all groups share: FreeRADIUS knows no other.
const VSLICE: &str = "migrated";

/// The secret that everybody knows: a server that uses it listens on loopback only.
const PUBLIC: &str = "testing123";

/// What is written.
#[derive(Debug)]
pub struct MigratedFiles {
    pub attachd_toml: String,
    pub inventory_toml: String,
    pub endpoints_csv: String,
}

pub(super) fn files(gateways: &[MigratedGateway], plan: &MigrationPlan) -> MigratedFiles {
    MigratedFiles {
        attachd_toml: attachd_toml(gateways),
        inventory_toml: inventory_toml(plan),
        endpoints_csv: endpoints_csv(plan),
    }
}

fn attachd_toml(gateways: &[MigratedGateway]) -> String {
    let mut text = String::from("# Made by `attachd migrate freeradius`.\n\n[radius]\n");
    let is_public = gateways.is_empty()
        || gateways.iter().any(|one| one.secret == GatewaySecret::Plain(PUBLIC.to_owned()));
    let address = if is_public {
        text.push_str(
            "# A gateway has the secret of every example: nobody but this machine may reach it.\n",
        );
        "127.0.0.1"
    } else {
        "0.0.0.0"
    };
    let _ = writeln!(text, "auth = [\"{address}:1812\"]\nacct = [\"{address}:1813\"]");
    for gateway in gateways {
        let _ = writeln!(text, "\n[[gateway]]\nname = {}", quoted(&gateway.name));
        let _ = writeln!(text, "source = \"{}\"", gateway.source);
        let _ = match &gateway.secret {
            GatewaySecret::Plain(secret) => writeln!(text, "secret = {}", quoted(secret)),
            GatewaySecret::Variable(name) => writeln!(text, "secret_env = {}", quoted(name)),
        };
        if let Some(requirement) = gateway.requirement {
            let _ = writeln!(text, "require_message_authenticator = \"{requirement}\"");
        }
        if let Some(limit) = gateway.limit_proxy_state {
            let _ = writeln!(text, "limit_proxy_state = {limit}");
        }
    }
    text
}

fn inventory_toml(plan: &MigrationPlan) -> String {
    let mut text = format!(
        "# Made by `attachd migrate freeradius`.\n\n[[vslice]]\nmoniker = \"{VSLICE}\"\nname = \"Migrated\"\n"
    );
    if !plan.dns.is_empty() {
        let servers: Vec<String> = plan.dns.iter().map(|ip| format!("\"{ip}\"")).collect();
        let _ = writeln!(text, "dns = [{}]", servers.join(", "));
    }
    let of_kind = plan.static_subnets.iter().map(|subnet| (subnet, "static"));
    for (subnet, kind) in of_kind.chain(plan.pooled_subnet.iter().map(|subnet| (subnet, "pooled")))
    {
        let _ = writeln!(text, "\n[[vslice.subnet]]\ncidr = \"{subnet}\"\nallocation = \"{kind}\"");
    }
    for group in &plan.groups {
        write_group(&mut text, group);
    }
    text
}

fn write_group(text: &mut String, group: &MigratedGroup) {
    let traits = &group.traits;
    let kind = if traits.is_static { "static" } else { "pooled" };
    let _ = writeln!(
        text,
        "\n[[group]]\nmoniker = \"{}\"\nname = {}",
        group.moniker,
        quoted(&group.name)
    );
    let _ = writeln!(text, "vslice = \"{VSLICE}\"\nallocation = \"{kind}\"");
    if !traits.apns.is_empty() {
        let apns: Vec<String> = traits.apns.iter().map(|apn| quoted(apn)).collect();
        let _ = writeln!(text, "apns = [{}]", apns.join(", "));
    }
    for (key, seconds) in [
        ("session_timeout_s", traits.session_timeout),
        ("idle_timeout_s", traits.idle_timeout),
        ("interim_interval_s", traits.interim_interval),
    ] {
        if seconds > 0 {
            let _ = writeln!(text, "{key} = {seconds}");
        }
    }
}

fn endpoints_csv(plan: &MigrationPlan) -> String {
    let mut text = String::from("iccid,imsi,msisdn,state,group,static_ip\n");
    let shown = |value: Option<String>| value.unwrap_or_default();
    for one in &plan.endpoints {
        let group = plan.groups.get(one.group).map_or("", |group| group.moniker.as_str());
        let state = if one.is_suspended { "suspended" } else { "active" };
        let _ = writeln!(
            text,
            "{},{},{},{state},{group},{}",
            one.iccid,
            shown(one.imsi.map(|imsi| imsi.to_string())),
            shown(one.msisdn.map(|msisdn| msisdn.to_string())),
            shown(one.static_ip.map(|ip| ip.to_string())),
        );
    }
    text
}

/// A text of TOML. Its escapes are those of JSON, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
