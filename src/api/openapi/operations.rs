//! The table of operations: each path and method, what it needs, takes and gives.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::bodies::{
    ActionBody, ActivationBody, BatchBody, EndpointBody, EntryBody, GroupBody, HandlerBody,
    MapBody, PolicyBody, ReasonBody, StockBody, SubnetBody, SubscriptionBody, VsliceBody,
};
use super::replies::{
    EndpointReply, EventTypeReply, GatewayReply, GroupReply, HandlerReply, MapReply, PolicyReply,
    ServerReply, SessionReply, SubnetReply, VsliceReply,
};
use super::{list_of, of};

/// Makes a schema.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Value;

/// The role that a token needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Read,
    Write,
    Admin,
}

/// What the envelope is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyKind {
    One,
    List,
    /// A list that is paged by cursor.
    Page,
    /// Of events, not an envelope.
    Stream,
}

pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) tag: &'static str,
    pub(super) summary: String,
    pub(super) needs: Needs,
    pub(super) query: &'static [&'static str],
    pub(super) body: Option<Shape>,
    pub(super) needs_body: bool,
    pub(super) takes_csv: bool,
    pub(super) kind: ReplyKind,
    pub(super) data: Shape,
    /// Whether it looks at versions: ETag, If-Match, If-None-Match.
    pub(super) is_versioned: bool,
}

pub(super) const TAGS: [(&str, &str); 5] = [
    ("platform", "Objects as the modelled platform and its Terraform provider know them."),
    ("endpoints", "SIMs: their life, their groups, their addresses."),
    ("sessions", "What is open, and what ended of late."),
    ("stock", "SIMs that wait for their activation."),
    ("server", "The server itself, its gateways and pools."),
];

const LIST: &[&str] = &["filter", "limit", "offset", "sortBy"];
const EVENTS: &[&str] =
    &["from", "to", "type", "iccid", "endpointGroup", "vslice", "order", "limit", "cursor"];
const PLATFORM: &str = "platform";
const STOCK: &str = "stock";

/// All of them. A test compares them with what the router answers.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    family::<VsliceBody, VsliceReply>(&mut all, "vslices", "VSlice");
    family::<GroupBody, GroupReply>(&mut all, "endpointgroups", "endpoint group");
    family::<PolicyBody, PolicyReply>(&mut all, "operatorpolicies", "operator policy");
    family::<HandlerBody, HandlerReply>(&mut all, "eventhandlers", "event handler");
    family::<MapBody, MapReply>(&mut all, "eventmaps", "event map");
    platform(&mut all);
    endpoints(&mut all);
    server(&mut all);
    all
}

/// The paths that every family of objects has.
fn family<B: JsonSchema, R: JsonSchema>(all: &mut Vec<Operation>, path: &str, what: &str) {
    let (list, one) = (format!("/api/v1/{path}"), format!("/api/v1/{path}/{{id}}"));
    let id: Shape = id_of_object;
    all.push(get(&list, PLATFORM, &format!("List every {what}"), list_of::<R>()).listed(LIST));
    all.push(post(&list, PLATFORM, &format!("Make a {what}"), of::<B>(), id));
    all.push(get(&one, PLATFORM, &format!("Show a {what}"), of::<R>()).versioned());
    for method in ["PUT", "PATCH"] {
        let change = post(&one, PLATFORM, &format!("Change a {what}"), of::<B>(), id);
        all.push(Operation { method, ..change }.versioned());
    }
    all.push(delete(&one, PLATFORM, &format!("Remove a {what}")).versioned());
}

fn platform(all: &mut Vec<Operation>) {
    let id: Shape = id_of_object;
    all.extend([
        get(
            "/api/v1/vslices/{id}/subnets",
            PLATFORM,
            "List the subnets of a VSlice",
            list_of::<SubnetReply>(),
        ),
        post("/api/v1/vslices/{id}/subnets", PLATFORM, "Add a subnet", of::<SubnetBody>(), id)
            .versioned(),
        delete("/api/v1/vslices/{id}/subnets/{cidr}", PLATFORM, "Remove a subnet that nobody uses")
            .versioned(),
        get(
            "/api/v1/operatorpolicies/{id}/entries",
            PLATFORM,
            "List the entries of a policy",
            anything,
        ),
        post(
            "/api/v1/operatorpolicies/{id}/entries",
            PLATFORM,
            "Make sure that these entries are there",
            one_or_list::<EntryBody>,
            anything,
        )
        .versioned(),
        get(
            "/api/v1/eventmaps/{id}/subscriptions",
            PLATFORM,
            "List the subscriptions of a map",
            anything,
        ),
        post(
            "/api/v1/eventmaps/{id}/subscriptions",
            PLATFORM,
            "Make sure that these subscriptions are there",
            one_or_list::<SubscriptionBody>,
            anything,
        )
        .versioned(),
        get(
            "/api/v1/eventtypes",
            PLATFORM,
            "List the types of events",
            list_of::<EventTypeReply>(),
        )
        .listed(LIST),
        get("/api/v1/eventtypes/{id}", PLATFORM, "Show a type of events", of::<EventTypeReply>()),
        get("/api/v1/apitokens/verify", PLATFORM, "Say whose token this is", anything),
        get("/api/v1/regionalpolicies", PLATFORM, "List the one regional policy", anything)
            .listed(LIST),
        post(
            "/api/v1/regionalpolicies",
            PLATFORM,
            "Refused: gateways are chosen before RADIUS",
            anything,
            anything,
        ),
        get("/api/v1/regionalpolicies/{id}", PLATFORM, "Show the one regional policy", anything),
        get("/api/v1/regionalpolicies/{id}/entries", PLATFORM, "List its entries: none", anything),
        post(
            "/api/v1/regionalpolicies/{id}/entries",
            PLATFORM,
            "Refused: gateways are chosen before RADIUS",
            anything,
            anything,
        ),
        delete(
            "/api/v1/regionalpolicies/{id}",
            PLATFORM,
            "Refused: gateways are chosen before RADIUS",
        ),
    ]);
    for method in ["PUT", "PATCH"] {
        let refused = "Refused: gateways are chosen before RADIUS";
        let change = post("/api/v1/regionalpolicies/{id}", PLATFORM, refused, anything, anything);
        all.push(Operation { method, ..change });
    }
    for family in ["routingpolicies", "routingtargets"] {
        let (list, one) = (format!("/api/v1/{family}"), format!("/api/v1/{family}/{{id}}"));
        let refused = "Refused: attachd does not route packets";
        all.push(get(&list, PLATFORM, "List: always empty", anything).listed(LIST));
        all.push(post(&list, PLATFORM, refused, anything, anything));
        all.push(get(&one, PLATFORM, "Show: there is none", anything));
        for method in ["PUT", "PATCH"] {
            all.push(Operation { method, ..post(&one, PLATFORM, refused, anything, anything) });
        }
        all.push(delete(&one, PLATFORM, "Remove: there is none"));
    }
}

fn endpoints(all: &mut Vec<Operation>) {
    const TAG: &str = "endpoints";
    let one = "/api/v1/endpoints/{id}";
    let page: &[&str] = &["filter", "q", "limit", "cursor"];
    all.extend([
        get(
            "/api/v1/endpoints",
            TAG,
            "List, filter and search endpoints",
            list_of::<EndpointReply>(),
        )
        .paged(page),
        post(
            "/api/v1/endpoints",
            TAG,
            "Activate a SIM of the stock by its code",
            of::<ActivationBody>(),
            id_of_object,
        ),
        get(one, TAG, "Show an endpoint with its sessions", of::<EndpointReply>()).versioned(),
        get(
            "/api/v1/endpoints/{id}/sessions",
            TAG,
            "List the sessions of an endpoint",
            list_of::<SessionReply>(),
        ),
        get(
            "/api/v1/endpoints/{id}/why",
            TAG,
            "Say step by step what an attach would come to",
            anything,
        )
        .asked(&["apn", "gateway"]),
        post(
            "/api/v1/endpoints/{id}/relearn",
            TAG,
            "Forget the device that the SIM is locked to",
            anything,
            anything,
        )
        .bodiless(),
        post(
            "/api/v1/endpoints/{id}/sessions/{session}/disconnect",
            TAG,
            "Have a session ended by its gateway (RFC 5176)",
            anything,
            anything,
        )
        .bodiless()
        .asked(&["wait"]),
        post(
            "/api/v1/endpoints/{id}/sessions/{session}/coa",
            TAG,
            "Have a session changed by its gateway (RFC 5176)",
            anything,
            anything,
        )
        .asked(&["wait"]),
        post(
            "/api/v1/endpoints/batch",
            TAG,
            "Make many endpoints, all or none",
            of::<BatchBody>(),
            anything,
        )
        .or_csv(),
        post(
            "/api/v1/endpoints/actions",
            TAG,
            "Do the same to many endpoints",
            of::<ActionBody>(),
            anything,
        )
        .needing(Needs::Admin),
        post(
            "/api/v1/endpoints/{id}/{step}",
            TAG,
            "suspend, resume, terminate, reinstate or detach",
            of::<ReasonBody>(),
            anything,
        )
        .bodiless(),
    ]);
    for method in ["PUT", "PATCH"] {
        let change = post(one, TAG, "Change an endpoint", of::<EndpointBody>(), anything);
        all.push(Operation { method, ..change }.versioned());
    }
    let page: &[&str] = &[
        "iccid",
        "vslice",
        "endpointGroup",
        "gateway",
        "apn",
        "ip",
        "state",
        "startedAfter",
        "limit",
        "cursor",
    ];
    let sessions = get("/api/v1/sessions", "sessions", "List sessions", list_of::<SessionReply>());
    all.push(Operation { kind: ReplyKind::List, ..sessions.paged(page) });
    all.extend([
        get("/api/v1/stock", STOCK, "List SIMs that wait for their activation", anything_listed)
            .paged(&["filter", "limit", "cursor"]),
        post("/api/v1/stock", STOCK, "Add SIMs with their codes", of::<StockBody>(), anything)
            .or_csv()
            .needing(Needs::Admin),
        get("/api/v1/stock/{iccid}", STOCK, "Show a SIM of the stock", anything).versioned(),
        delete("/api/v1/stock/{iccid}", STOCK, "Take a SIM out of the stock").needing(Needs::Admin),
    ]);
}

fn server(all: &mut Vec<Operation>) {
    const TAG: &str = "server";
    let reload = post(
        "/api/v1/server/reload",
        TAG,
        "Load gateways and inventory anew; from this machine",
        anything,
        anything,
    );
    all.extend([
        get(
            "/api/v1/server",
            TAG,
            "Show version, uptime and how much there is",
            of::<ServerReply>(),
        ),
        Operation { body: None, ..reload },
        get(
            "/api/v1/gateways",
            TAG,
            "List gateways and what was heard of them",
            list_of::<GatewayReply>(),
        )
        .paged(&["filter", "limit", "cursor"]),
        get("/api/v1/gateways/{name}", TAG, "Show a gateway", of::<GatewayReply>()),
        get("/api/v1/audit", TAG, "List every write and reload", anything_listed)
            .paged(&["from", "to", "token", "target", "outcome", "limit", "cursor"])
            .needing(Needs::Admin),
        get(
            "/api/v1/addresses",
            TAG,
            "Say who has an address, or had it at an instant",
            anything_listed,
        )
        .asked(&["vslice", "address", "at"]),
        get("/api/v1/events", TAG, "List events, newest first", anything_listed).asked(EVENTS),
        get(
            "/api/v1/events/stream",
            TAG,
            "Follow events as a stream (text/event-stream)",
            anything,
        )
        .streamed()
        .asked(&["type", "iccid", "endpointGroup", "vslice"]),
        get(
            "/api/v1/endpoints/{id}/events",
            TAG,
            "List the events of an endpoint",
            anything_listed,
        )
        .asked(EVENTS),
        get("/api/v1/jobs", TAG, "List the jobs", anything_listed),
        get("/api/v1/jobs/{id}", TAG, "Show a job and its results", anything),
        post("/api/v1/jobs/{id}/cancel", TAG, "Stop a job", anything, anything).bodiless(),
        get(
            "/api/v1/operators",
            TAG,
            "List known operators, and MCCs with their countries",
            anything,
        )
        .listed(LIST),
        get("/api/v1/pools", TAG, "Show how full all subnets are", list_of::<SubnetReply>())
            .listed(LIST),
        get("/api/v1/openapi.json", TAG, "This document", anything).needing(Needs::Nothing),
    ]);
}

fn get(path: &str, tag: &'static str, summary: &str, data: Shape) -> Operation {
    Operation {
        method: "GET",
        path: path.to_owned(),
        tag,
        summary: summary.to_owned(),
        needs: Needs::Read,
        query: &[],
        body: None,
        needs_body: false,
        takes_csv: false,
        kind: ReplyKind::One,
        data,
        is_versioned: false,
    }
}

fn post(path: &str, tag: &'static str, summary: &str, body: Shape, data: Shape) -> Operation {
    let needs = Needs::Write;
    Operation {
        method: "POST",
        needs,
        body: Some(body),
        needs_body: true,
        ..get(path, tag, summary, data)
    }
}

fn delete(path: &str, tag: &'static str, summary: &str) -> Operation {
    Operation { method: "DELETE", needs: Needs::Write, ..get(path, tag, summary, id_of_object) }
}

impl Operation {
    fn listed(self, query: &'static [&'static str]) -> Self {
        Self { kind: ReplyKind::List, query, ..self }
    }

    fn paged(self, query: &'static [&'static str]) -> Self {
        Self { kind: ReplyKind::Page, query, ..self }
    }

    fn asked(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    fn versioned(self) -> Self {
        Self { is_versioned: true, ..self }
    }

    fn streamed(self) -> Self {
        Self { kind: ReplyKind::Stream, ..self }
    }

    fn or_csv(self) -> Self {
        Self { takes_csv: true, ..self }
    }

    fn bodiless(self) -> Self {
        Self { needs_body: false, ..self }
    }

    fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    pub(super) fn is_platform(&self) -> bool {
        self.tag == PLATFORM
    }

    /// The method and the words of the path: the same for ever, since programs are generated from it.
    pub(super) fn id(&self) -> String {
        let mut id = self.method.to_ascii_lowercase();
        for word in self.path.trim_start_matches("/api/v1/").split('/') {
            let word = match word.strip_prefix('{') {
                Some(name) => format!("by-{}", name.trim_end_matches('}')),
                None => word.replace('.', "-"),
            };
            id = format!("{id}-{word}");
        }
        id
    }
}

impl Needs {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "Needs no token.",
            Self::Read => "Needs role read.",
            Self::Write => "Needs role write.",
            Self::Admin => "Needs role admin.",
        }
    }
}

/// Whatever JSON there is.
fn anything(_: &mut SchemaGenerator) -> Value {
    json!({})
}

fn anything_listed(_: &mut SchemaGenerator) -> Value {
    json!({"type": "array"})
}

fn id_of_object(_: &mut SchemaGenerator) -> Value {
    json!({"type": "string"})
}

fn one_or_list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let one = generator.subschema_for::<T>().to_value();
    json!({"anyOf": [{"type": "array", "items": one}, one]})
}
