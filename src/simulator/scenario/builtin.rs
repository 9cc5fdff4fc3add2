//! The scenarios that come with the program, as the texts that a user's own would be.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! builtins {
    ($($name:literal)*) => {
        /// All of them, in the order in which they are listed.
        pub const BUILTINS: &[Builtin] =
            &[$(Builtin { name: $name, text: include_str!(concat!("../builtin/", $name, ".toml")) }),*];
    };
}

builtins! { "smoke" "steady" "storm" "avalanche" "churn" "roam" "gateway-restart" "soak" "find-max" }

impl Builtin {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        BUILTINS.iter().find(|builtin| builtin.name == name)
    }

    /// All names, for a message.
    pub fn names() -> String {
        let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        names.join(", ")
    }
}
