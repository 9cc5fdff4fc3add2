//! JSON written straight into the octets of a record, without a tree in between.

use std::fmt::{self, Write as _};

/// An object being written; its end is written when it is dropped.
pub struct JsonObject<'b> {
    buffer: &'b mut Vec<u8>,
    is_first: bool,
}

impl<'b> JsonObject<'b> {
    pub fn begin(buffer: &'b mut Vec<u8>) -> Self {
        buffer.push(b'{');
        Self { buffer, is_first: true }
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.buffer.push(b',');
        }
        text(self.buffer, key);
        self.buffer.push(b':');
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        text(self.buffer, value);
    }

    /// A value as it shows itself, of which no character needs to be escaped.
    pub fn plain(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        self.buffer.push(b'"');
        show(self.buffer, value);
        self.buffer.push(b'"');
    }

    pub fn number(&mut self, key: &str, value: impl Into<u64>) {
        self.key(key);
        show(self.buffer, value.into());
    }

    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        show(self.buffer, value);
    }

    pub fn null(&mut self, key: &str) {
        self.key(key);
        self.buffer.extend_from_slice(b"null");
    }

    /// A text, or null.
    pub fn text_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// A value as it shows itself, or null.
    pub fn plain_or_null(&mut self, key: &str, value: Option<impl fmt::Display>) {
        match value {
            Some(value) => self.plain(key, value),
            None => self.null(key),
        }
    }

    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut JsonObject<'_>)) {
        self.key(key);
        write(&mut JsonObject::begin(self.buffer));
    }

    /// The old and the new value, each as it shows itself or null.
    pub fn pair(
        &mut self,
        key: &str,
        old: Option<impl fmt::Display>,
        new: Option<impl fmt::Display>,
    ) {
        self.key(key);
        self.buffer.push(b'[');
        shown_or_null(self.buffer, old);
        self.buffer.push(b',');
        shown_or_null(self.buffer, new);
        self.buffer.push(b']');
    }
}

impl Drop for JsonObject<'_> {
    fn drop(&mut self) {
        self.buffer.push(b'}');
    }
}

fn shown_or_null(buffer: &mut Vec<u8>, value: Option<impl fmt::Display>) {
    match value {
        Some(value) => text(buffer, &value.to_string()),
        None => buffer.extend_from_slice(b"null"),
    }
}

fn text(buffer: &mut Vec<u8>, value: &str) {
    if value.bytes().all(|octet| octet >= 0x20 && octet != b'"' && octet != b'\\') {
        buffer.push(b'"');
        buffer.extend_from_slice(value.as_bytes());
        buffer.push(b'"');
    } else {
        // Memory takes everything.
        let _ = serde_json::to_writer(buffer, value);
    }
}

fn show(buffer: &mut Vec<u8>, value: impl fmt::Display) {
    struct Octets<'a>(&'a mut Vec<u8>);

    impl fmt::Write for Octets<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    // Memory takes everything.
    let _ = write!(Octets(buffer), "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let mut buffer = Vec::new();
        {
            let mut object = JsonObject::begin(&mut buffer);
            object.text("a\"b", "c\\d\n\u{1F600}\u{7}");
            object.number("n", 7_u32);
            object.flag("f", true);
            object.null("z");
            object.plain("p", 1.5);
            object.object("o", |inner| inner.pair("old", Some("x\"y"), None::<u8>));
            object.object("e", |_| {});
        }
        let read: serde_json::Value = serde_json::from_slice(&buffer).unwrap();
        let expected = serde_json::json!({
            "a\"b": "c\\d\n\u{1F600}\u{7}", "n": 7, "f": true, "z": null, "p": "1.5",
            "o": {"old": ["x\"y", null]}, "e": {},
        });
        assert_eq!(read, expected);
    }
}
