//! What requests say, as types: the source of the schemas. The readers beside each family take the
//! same keys; a test sends what is described here.

#![expect(dead_code, reason = "these types are described, not read")]

use schemars::JsonSchema;
use serde::Deserialize;

/// Declares a body: every key may be absent and keeps its value then, null clears it.
macro_rules! body {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$field_doc])* $field: Option<$kind>,)*
        }
    };
}

body! {
    /// A VSlice. A new one needs name, moniker and subnetAddress.
    VsliceBody {
        id: String,
        name: String,
        /// 1 to 30 characters of a-z, 0-9 and -.
        moniker: String,
        /// One or two IPv4 addresses with dnsMode custom.
        dns_servers: Vec<String>,
        /// auto or custom.
        dns_mode: String,
        /// Ipv4.
        ip_address_family: String,
        /// The first subnet, as 100.64.0.0/16.
        subnet_address: String,
        /// static or pooled.
        ip_allocation_type: String,
        /// Id or moniker of an event map.
        event_map: String,
        enabled: bool,
    }
}

body! {
    /// An endpoint group. A new one needs name, moniker and vslice.
    GroupBody {
        id: String,
        name: String,
        moniker: String,
        /// Id or moniker of a VSlice.
        vslice: String,
        event_map: String,
        /// Always null here: attachd does not route packets.
        routing_policy: String,
        /// Id or moniker of an operator policy.
        steering_profile: String,
        /// automatic.
        regional_gateway_policy: String,
        /// static or pooled.
        ip_allocation_type: String,
        enabled: bool,
        /// Access points that its endpoints may use; none: any.
        apns: Vec<String>,
        session_timeout_s: u32,
        idle_timeout_s: u32,
        interim_interval_s: u32,
        credentials: CredentialsBody,
    }
}

body! {
    /// What gateways send for every endpoint of a group.
    CredentialsBody {
        /// none, pap or chap.
        method: String,
        username: String,
        password: String,
    }
}

body! {
    /// An operator policy. A new one needs name and moniker.
    PolicyBody {
        id: String,
        name: String,
        moniker: String,
        allow2g: bool,
        allow3g: bool,
        allow45g: bool,
        when_missing: String,
        imei_lock: String,
        /// All entries; [] or null removes them.
        entries: Vec<EntryBody>,
    }
}

body! {
    /// An entry of an operator policy; without iso3 and operatorId it is the default.
    EntryBody {
        id: String,
        /// The digits of MCC and MNC as a number.
        operator_id: u32,
        /// The country, as DEU.
        iso3: String,
        international: bool,
        radio: Vec<String>,
        tac: Vec<String>,
        /// allow, reject, reject-hard or reject-soft.
        steering_profile_entry_action: String,
    }
}

body! {
    /// An event handler. A new one needs name, moniker, eventEndpointType and configurationData.
    HandlerBody {
        id: String,
        name: String,
        moniker: String,
        configuration_data: ConfigurationData,
        /// webhook.
        event_endpoint_type: String,
    }
}

body! {
    /// What depends on the type of the handler.
    ConfigurationData {
        webhook_config: WebhookConfig,
    }
}

body! {
    /// Where events are sent.
    WebhookConfig {
        bearer_token: String,
        username: String,
        password: String,
        /// Seconds, as a text.
        timeout: String,
        url: String,
    }
}

body! {
    /// An event map. A new one needs name, moniker and eventScope.
    MapBody {
        id: String,
        name: String,
        moniker: String,
        /// endpoint, vslice or global.
        event_scope: String,
        subscriptions: Vec<SubscriptionBody>,
    }
}

body! {
    /// Which events go to which handler.
    SubscriptionBody {
        id: String,
        /// Id or moniker of an event handler.
        event_endpoint_id: String,
        /// The moniker of a type of events.
        event_type_id: String,
    }
}

body! {
    /// A further subnet of a VSlice.
    SubnetBody {
        cidr: String,
        subnet_address: String,
        ip_allocation_type: String,
        /// Ranges that are not handed out.
        exclude: Vec<String>,
    }
}

body! {
    /// What can be changed of an endpoint.
    EndpointBody {
        id: String,
        iccid: String,
        /// Id or moniker of its group; null: it waits for one.
        endpoint_group: String,
        secondary_endpoint_groups: Vec<String>,
        static_ip: String,
        name: String,
        reference: String,
        tags: Vec<String>,
    }
}

body! {
    /// A SIM and the code that came with it; both are needed.
    ActivationBody {
        iccid: String,
        activation_code: String,
        name: String,
        reference: String,
        tags: Vec<String>,
        endpoint_group: String,
        secondary_endpoint_groups: Vec<String>,
        static_ip: String,
    }
}

body! {
    /// Endpoints to be made.
    BatchBody {
        dry_run: bool,
        atomic: bool,
        /// Needed. Each has an ICCID, and a code or the role admin.
        items: Vec<serde_json::Value>,
    }
}

body! {
    /// What is done to which endpoints: iccids, or a filter with the number that it must hold for.
    ActionBody {
        /// suspend, resume, terminate or reinstate.
        action: String,
        iccids: Vec<String>,
        filter: String,
        expect: u32,
        reason: String,
    }
}

body! {
    /// Why.
    ReasonBody {
        reason: String,
    }
}

body! {
    /// SIMs for the stock.
    StockBody {
        /// Each has iccid and activationCode, and may have imsi and msisdn.
        items: Vec<serde_json::Value>,
    }
}
