//! Writes JSON objects: the little that the probe needs, since it is built without any crate.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// One JSON value that is already text.
pub struct Json(pub String);

/// A string; bytes that are no UTF-8 become U+FFFD.
pub fn text(bytes: impl AsRef<[u8]>) -> Json {
    let mut out = String::from("\"");
    for c in String::from_utf8_lossy(bytes.as_ref()).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    Json(out)
}

/// A string of the operating system.
pub fn os(value: impl AsRef<OsStr>) -> Json {
    text(value.as_ref().as_bytes())
}

/// A number, `true` or `false`: anything whose display form is JSON.
pub fn plain(value: impl std::fmt::Display) -> Json {
    Json(value.to_string())
}

/// The value, or null.
pub fn option(value: Option<Json>) -> Json {
    value.unwrap_or_else(|| Json("null".into()))
}

/// An array.
pub fn array(values: impl IntoIterator<Item = Json>) -> Json {
    let all: Vec<String> = values.into_iter().map(|v| v.0).collect();
    Json(format!("[{}]", all.join(",")))
}

/// An object.
pub fn object<K: AsRef<[u8]>>(values: impl IntoIterator<Item = (K, Json)>) -> Json {
    let all: Vec<String> = values
        .into_iter()
        .map(|(k, v)| format!("{}:{}", text(k).0, v.0))
        .collect();
    Json(format!("{{{}}}", all.join(",")))
}
