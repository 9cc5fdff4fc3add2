//! What is shown, as types: the source of the schemas. More keys may be shown than stand here.

use schemars::JsonSchema;
use serde::Serialize;

/// Declares what is shown; every key is always there.
macro_rules! reply {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Serialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub(super) struct $name {
            $($(#[$field_doc])* $field: $kind,)*
        }
    };
}

reply! {
    /// A refusal: nothing was done.
    RefusalReply {
        success: bool,
        messages: Vec<String>,
        /// The same words for programs, for ever: docs/api.md lists them.
        code: String,
        data: (),
    }
}

reply! {
    /// A value of an enumeration.
    EnumReply { key: u32, moniker: String, name: String, }
}

reply! {
    /// Another object.
    LinkReply { id: String, moniker: String, name: String, }
}

reply! {
    /// Another object, of an own family.
    NameReply { moniker: String, name: String, }
}

reply! {
    VsliceReply {
        id: String,
        name: String,
        moniker: String,
        version: u64,
        enabled: bool,
        /// The first is subnetAddress of the bodies.
        subnets: Vec<String>,
        dns_servers: Option<Vec<String>>,
        dns_mode: EnumReply,
        ip_address_family: EnumReply,
        ip_allocation_type: EnumReply,
        event_map: Option<LinkReply>,
        endpoint_group_count: u64,
        endpoint_count: u64,
    }
}

reply! {
    GroupReply {
        id: String,
        name: String,
        moniker: String,
        version: u64,
        enabled: bool,
        endpoints_assigned: u64,
        vslice: Option<LinkReply>,
        event_map: Option<LinkReply>,
        routing_policy: (),
        steering_profile: Option<LinkReply>,
        regional_gateway_policy: LinkReply,
        ip_allocation_type: EnumReply,
        customer_id: String,
        apns: Vec<String>,
        session_timeout_s: u32,
        idle_timeout_s: u32,
        interim_interval_s: u32,
    }
}

reply! {
    PolicyReply {
        id: String,
        name: String,
        moniker: String,
        version: u64,
        allow2g: bool,
        allow3g: bool,
        allow45g: bool,
        entries: Option<Vec<serde_json::Value>>,
    }
}

reply! {
    HandlerReply {
        id: String,
        name: String,
        moniker: String,
        version: u64,
        configuration_data: serde_json::Value,
        summary_description: String,
        event_endpoint_type: EnumReply,
    }
}

reply! {
    MapReply {
        id: String,
        name: String,
        moniker: String,
        version: u64,
        event_scope: EnumReply,
        subscriptions: Option<Vec<serde_json::Value>>,
    }
}

reply! {
    EventTypeReply { key: u32, moniker: String, name: String, active: bool, }
}

reply! {
    /// How full a subnet is.
    SubnetReply {
        vslice: String,
        subnet: String,
        allocation: String,
        size: u64,
        reserved: u64,
        excluded: Vec<String>,
        leased: u64,
        held: u64,
        free: u64,
        /// 0 to 1.
        utilisation: f64,
    }
}

reply! {
    EndpointReply {
        id: String,
        iccid: String,
        imsis: Vec<String>,
        msisdn: Option<String>,
        name: Option<String>,
        reference: Option<String>,
        tags: Vec<String>,
        provisioning_state: EnumReply,
        network_state: serde_json::Value,
        endpoint_group: Option<NameReply>,
        secondary_endpoint_groups: Vec<NameReply>,
        vslice: Option<NameReply>,
        static_ip: Option<String>,
        ip_addresses: Vec<serde_json::Value>,
        last_activity: Option<String>,
        activated_at: Option<String>,
        state_reason: Option<String>,
        imeisv: Option<String>,
        plmn: Option<String>,
        gateway: Option<String>,
        /// file or api.
        origin: String,
        open_sessions: u64,
        version: u64,
    }
}

reply! {
    SessionReply {
        id: String,
        state: EnumReply,
        gateway: Option<String>,
        acct_session_id: String,
        bearers: Vec<String>,
        apn: Option<String>,
        ip: Option<String>,
        conflict: bool,
        started_at: String,
        updated_at: String,
        ended_at: Option<String>,
        ending_since: Option<String>,
        ending_reason: Option<String>,
        terminate_cause: Option<String>,
        close_cause: Option<String>,
        input_octets: u64,
        output_octets: u64,
        plmn: Option<String>,
        imeisv: Option<String>,
    }
}

reply! {
    GatewayReply {
        name: String,
        source: Vec<String>,
        message_authenticator_required: bool,
        message_authenticator_learnt: bool,
        last_heard: Option<String>,
        restarted_at: Option<String>,
        open_sessions: u64,
        /// By code.
        requests: std::collections::BTreeMap<String, u64>,
        /// By code.
        responses: std::collections::BTreeMap<String, u64>,
        /// By reason.
        drops: std::collections::BTreeMap<String, u64>,
    }
}

reply! {
    ServerReply {
        name: String,
        version: String,
        time: String,
        started_at: String,
        uptime_s: u64,
        readiness: serde_json::Value,
        inventory_differs: u64,
        counts: serde_json::Value,
    }
}
