//! The signature base of RFC 9421, section 2.5: the covered components of a message, line by line, as text to be signed.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sfv::{InnerList, Item, ItemSerializer, ListSerializer};

/// The parts of a request that a signature can cover.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// In upper case.
    pub method: String,
    /// Host and, if it is not the scheme's own, port.
    pub authority: String,
    /// The path as the client sent it.
    pub path: String,
    /// Names and values, decoded, in any order.
    pub query: Vec<(String, String)>,
    /// Names in lower case, and values; a field that was sent twice is there twice.
    pub fields: Vec<(String, String)>,
}

/// RFC 9421, section 2.2.8: that of application/x-www-form-urlencoded, a space as `%20`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

impl Message {
    /// Returns the one value of a field; `None` if it is absent or was sent more than once.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.fields.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.trim_matches([' ', '\t']))
    }

    /// Returns the names of the query's parameters as a signature has them.
    pub(super) fn encoded_names(&self) -> impl Iterator<Item = String> {
        self.query.iter().map(|(name, _)| encode(name))
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Returns the base for the components `covered`, which carry the signature's parameters.
///
/// # Errors
/// The first component that this message has no signable value for.
pub(super) fn base(message: &Message, covered: &InnerList) -> Result<String, &'static str> {
    let mut base = String::new();
    for (n, item) in covered.items.iter().enumerate() {
        if covered.items[..n].contains(item) {
            return Err("a component is covered twice");
        }
        let name = ItemSerializer::new().bare_item(&item.bare_item);
        base.push_str(&name.parameters(&item.params).finish());
        base.push_str(": ");
        let value = value(message, item)?;
        // One line each: nothing that was sent can add a line of its own.
        if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') || !value.is_ascii() {
            return Err("a covered value cannot be signed");
        }
        base.push_str(&value);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    let mut list = ListSerializer::with_buffer(&mut base);
    let mut inner = list.inner_list();
    inner.items(&covered.items);
    let _ = inner.finish().parameters(&covered.params);
    Ok(base)
}

fn value(message: &Message, item: &Item) -> Result<String, &'static str> {
    let name = item.bare_item.as_string().ok_or("a component is no string")?.as_str();
    if name == "@query-param" {
        return query_param(message, item);
    }
    if !item.params.is_empty() {
        return Err("a component has parameters that are not supported");
    }
    match name {
        "@method" => Ok(message.method.clone()),
        "@authority" => Ok(message.authority.clone()),
        "@path" => Ok(if message.path.is_empty() { "/" } else { &message.path }.to_owned()),
        _ if name.starts_with('@') || name.bytes().any(|b| b.is_ascii_uppercase()) => {
            Err("a component is not supported")
        }
        field => {
            let values: Vec<&str> = message.values(field).collect();
            if values.is_empty() {
                return Err("a covered field is not there");
            }
            Ok(values.join(", "))
        }
    }
}

fn query_param(message: &Message, item: &Item) -> Result<String, &'static str> {
    let [(key, name)] = item.params.iter().collect::<Vec<_>>()[..] else {
        return Err("a query parameter is covered without its name");
    };
    let name = name.as_string().filter(|_| key.as_str() == "name");
    let name = name.ok_or("a query parameter is covered without its name")?.as_str();
    let mut values = message.query.iter().filter(|(shown, _)| encode(shown) == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(encode(value)),
        // RFC 9421: a name that is there twice must not be covered.
        _ => Err("a covered query parameter is not there once"),
    }
}
