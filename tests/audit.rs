//! Who changed what, and when; and a request that is sent twice (platform-api 1.4, 3).

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use serde_json::{Value, json};
use support::client::Client;
use support::server::Folder;

const TILL: &str = "8944500000000000014";

/// The entries of the log that a query finds, the newest first. They are there soon after the
/// answer, not before.
fn entries(client: &Client<'_>, query: &str, count: usize) -> Vec<Value> {
    let all = || client.data(&format!("/audit{query}")).as_array().unwrap().clone();
    client.server.until("the log has it", |_| all().len() >= count);
    let all = all();
    assert_eq!(all.len(), count, "{all:#?}");
    all
}

#[test]
fn every_write_is_told_with_who_what_and_the_outcome() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    let handler = json!({
        "name": "Hooks", "moniker": "hooks", "eventEndpointType": "webhook",
        "configurationData": {"webhookConfig": {
            "url": "https://ops.example/hook", "timeout": "10", "password": "sesame",
            "username": "ops", "bearerToken": null,
        }},
    });
    let id = client.write("POST", "/eventhandlers", &handler);
    client.write("PATCH", "/eventhandlers/hooks", &json!({"name": "Hooks!"}));
    client.write("PATCH", &format!("/endpoints/{TILL}"), &json!({"name": "till one"}));
    client.call(
        "POST",
        &format!("/endpoints/{TILL}/suspend"),
        "",
        Some(&json!({"reason": "lost"})),
    );
    let refused = client.call("PATCH", "/endpointgroups/epos", "", Some(&json!({"nmae": "x"})));
    assert_eq!(refused.json["code"], "unknown-key");
    client.delete("/vslices/festival").is_refused(200, "in-use", "used by");
    client.delete("/eventhandlers/hooks");
    let items: Vec<Value> = (10..13)
        .map(|n| json!({"iccid": format!("89445000000009{n:05}"), "endpointGroup": "epos"}))
        .collect();
    client.write("POST", "/endpoints/batch", &json!({"items": items}));

    let of_handler = entries(&client, &format!("?target={}", id.as_str().unwrap()), 3);
    let told = of_handler.iter().map(|entry| {
        assert_eq!((&entry["outcome"], &entry["code"]), (&json!("done"), &Value::Null));
        assert_eq!(entry["token"], json!({"name": "admin", "role": "admin"}));
        assert_eq!(
            (&entry["source"], &entry["target"]["kind"]),
            (&json!("127.0.0.1"), &json!("handler"))
        );
        (entry["method"].as_str().unwrap(), entry["before"].clone(), entry["after"].clone())
    });
    let told: Vec<_> = told.collect();
    assert_eq!((told[0].0, told[1].0, told[2].0), ("DELETE", "PATCH", "POST"));
    assert_eq!((&told[1].1, &told[1].2), (&json!({"name": "Hooks"}), &json!({"name": "Hooks!"})));
    assert!(told[0].2.is_null() && told[2].1.is_null());
    let made = &told[2].2["configurationData"]["webhookConfig"];
    assert_eq!(
        (&made["password"], &made["url"]),
        (&json!("\u{2022}"), &json!("https://ops.example/hook"))
    );
    let whole = json!(of_handler).to_string();
    assert!(!whole.contains("sesame") && !whole.contains("requestHash"), "{whole}");

    let of_till = entries(&client, &format!("?target={TILL}"), 2);
    assert_eq!(of_till[0]["after"]["provisioningState"]["moniker"], "suspended");
    assert_eq!(of_till[1]["after"], json!({"name": "till one"}));
    let refused = entries(&client, "?outcome=refused", 2);
    assert_eq!(
        (&refused[0]["code"], &refused[1]["code"]),
        (&json!("in-use"), &json!("unknown-key"))
    );
    assert_eq!(refused[1]["target"]["moniker"], "epos");
    assert_eq!(entries(&client, "?target=endpoint:8944500000000000014", 2).len(), 2);
    let of_batch = entries(&client, "?target=8944500000000900011", 1);
    assert_eq!(of_batch[0]["target"]["iccids"].as_array().unwrap().len(), 3);

    // A reload is one, too; all survive a crash, and are read page by page.
    assert_eq!(client.call("POST", "/server/reload", "", None).status, 200);
    let whole = entries(&client, "", 9);
    assert_eq!((&whole[0]["method"], &whole[0]["outcome"]), (&json!("RELOAD"), &json!("done")));
    let token = client.token.clone();
    server.kill();
    let server = folder.serve();
    let client = Client { server: &server, token };
    assert_eq!(entries(&client, "", 9), whole);
    let page = client.get("/audit?limit=4");
    let cursor = page.json["nextCursor"].as_str().unwrap();
    assert_eq!(page.json["totalItems"], 9);
    let next = client.data(&format!("/audit?limit=4&cursor={cursor}"));
    assert_eq!(next, json!(whole[4..8]));
    assert_eq!(client.data("/audit?to=2020-01-01"), json!([]));
    client.get("/audit?from=yesterday").is_refused(400, "invalid", "from is a time in UTC");
    let reader = Client::new(&folder, &server, "read");
    reader.get("/audit").is_refused(403, "forbidden", "needs admin");
}

#[test]
fn a_request_that_is_sent_again_under_its_key_is_not_done_again() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let key = "Idempotency-Key: order-4711\r\n";
    let body = json!({"name": "Market", "moniker": "market", "subnetAddress": "100.80.0.0/16"});
    let first = client.call("POST", "/vslices", key, Some(&body));
    assert_eq!((first.status, &first.json["success"]), (200, &json!(true)), "{}", first.json);
    assert!(!first.head.contains("idempotent-replayed"));
    let again = client.call("POST", "/vslices", key, Some(&body));
    assert_eq!((again.status, &again.json), (200, &first.json));
    assert!(again.head.contains("idempotent-replayed: true"), "{}", again.head);
    client.delete("/vslices/market");
    assert_eq!(client.call("POST", "/vslices", key, Some(&body)).json, first.json);
    assert_eq!(client.get("/vslices/market").json["code"], "not-found", "it was not made again");

    let other = json!({"name": "Market", "moniker": "bazaar", "subnetAddress": "100.80.0.0/16"});
    let refused = client.call("POST", "/vslices", key, Some(&other));
    refused.is_refused(200, "idempotency", "was used for another request");
    client
        .call("POST", "/vslices", "Idempotency-Key: short\r\n", Some(&other))
        .is_refused(400, "invalid", "8 to 64");
    // Who was refused may try again with another body under the same key.
    let key = "Idempotency-Key: order-4712\r\n";
    let wrong = json!({"moniker": "B A Z"});
    assert_eq!(client.call("POST", "/vslices", key, Some(&wrong)).json["success"], false);
    let made = client.call("POST", "/vslices", key, Some(&other));
    assert_eq!(made.json["success"], true, "{}", made.json);
    // Another token's keys are its own.
    let admin = Client::new(&folder, &server, "admin");
    let taken = admin.call("POST", "/vslices", key, Some(&other));
    taken.is_refused(200, "moniker-taken", "already used");

    let token = client.token.clone();
    server.kill();
    let server = folder.serve();
    let client = Client { server: &server, token };
    let again = client.call("POST", "/vslices", key, Some(&other));
    assert_eq!(again.json["data"], made.json["data"], "{}", again.json);
    assert!(again.head.contains("idempotent-replayed: true"), "{}", again.head);
}
