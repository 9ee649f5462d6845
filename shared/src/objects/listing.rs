//! The answer to `ListObjectsV2`. It is XML of a fixed form, and our keys hold nothing that XML would write in another way.

use serde::Serialize;

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// When it came, RFC 3339.
    pub at: String,
}

/// Reads a page. An entry that lacks a part is left out.
pub(super) fn read(page: &str) -> Vec<Listed> {
    let entries = page.split("<Contents>").skip(1);
    entries
        .filter_map(|entry| {
            Some(Listed {
                key: element(entry, "Key")?.to_owned(),
                bytes: element(entry, "Size")?.parse().ok()?,
                at: element(entry, "LastModified")?.to_owned(),
            })
        })
        .collect()
}

fn element<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = entry.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_amazons_form_is_read() {
        let page = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>uploads/u_1/</Prefix><KeyCount>2</KeyCount>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>uploads/u_1/upl_a</Key>
<LastModified>2026-11-30T18:05:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>434234</Size>
<StorageClass>STANDARD</StorageClass></Contents><Contents><Key>half</Key></Contents></ListBucketResult>"#;
        let listed = Listed {
            key: "uploads/u_1/upl_a".to_owned(),
            bytes: 434_234,
            at: "2026-11-30T18:05:00.000Z".to_owned(),
        };
        assert_eq!(read(page), [listed]);
        assert_eq!(read(""), []);
    }
}
