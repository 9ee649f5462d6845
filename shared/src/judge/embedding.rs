//! The table of word-piece vectors: safetensors with one int8 row and one f32 weight per piece.
//!
//! A weight is the SIF weight a / (a + p) of the piece times the scale of its row, so a text's vector is the normalised
//! sum of weight x row over its pieces.

use serde::Deserialize;

use super::LoadError;

/// Numbers per vector.
pub(super) const DIMENSIONS: usize = 256;

/// Where a tensor lies in the file, as safetensors' header says it.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

#[derive(Deserialize)]
struct Header {
    weights: Tensor,
    embeddings: Tensor,
}

/// The table, borrowed from the executable: nothing but the weights is copied.
#[derive(Debug)]
pub(super) struct Embedding {
    weights: Vec<f32>,
    rows: &'static [[u8; DIMENSIONS]],
}

impl Embedding {
    pub(super) fn parse(file: &'static [u8]) -> Result<Self, LoadError> {
        let (length, rest) = file
            .split_first_chunk::<8>()
            .ok_or(LoadError::Table("shorter than its length field"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| LoadError::Table("header too long"))?;
        let (header, data) = rest
            .split_at_checked(length)
            .ok_or(LoadError::Table("header cut off"))?;
        let header: Header = serde_json::from_slice(header).map_err(LoadError::Header)?;
        let weights = header.weights.bytes(data, "F32", 4)?.as_chunks::<4>().0;
        let rows = header.embeddings.bytes(data, "I8", 1)?.as_chunks::<DIMENSIONS>().0;
        if header.weights.shape != [weights.len()] || header.embeddings.shape != [rows.len(), DIMENSIONS] {
            return Err(LoadError::Table("unexpected shape"));
        }
        if weights.len() != rows.len() {
            return Err(LoadError::Table("weights and rows differ in number"));
        }
        let weights: Vec<f32> = weights.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if weights.iter().any(|weight| !weight.is_finite()) {
            return Err(LoadError::Table("a weight is not a number"));
        }
        Ok(Self { weights, rows })
    }

    /// How many pieces have a row.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a piece's weighted row. An id beyond the table adds nothing.
    pub(super) fn add(&self, id: u32, sum: &mut Sum) {
        let (Some(row), Some(weight)) = (self.rows.get(id as usize), self.weights.get(id as usize)) else {
            return;
        };
        for (total, byte) in sum.0.iter_mut().zip(row) {
            *total += weight * f32::from(byte.cast_signed());
        }
    }
}

impl Tensor {
    fn bytes<'a>(&self, data: &'a [u8], dtype: &str, size: usize) -> Result<&'a [u8], LoadError> {
        if self.dtype != dtype {
            return Err(LoadError::Table("unexpected number type"));
        }
        let bytes = data
            .get(self.data_offsets.0..self.data_offsets.1)
            .ok_or(LoadError::Table("tensor cut off"))?;
        let expected = self.shape.iter().try_fold(size, |product, n| product.checked_mul(*n));
        if expected == Some(bytes.len()) {
            Ok(bytes)
        } else {
            Err(LoadError::Table("tensor and shape differ in size"))
        }
    }
}

/// A running sum of weighted rows.
#[derive(Clone, Debug)]
pub(super) struct Sum([f32; DIMENSIONS]);

impl Default for Sum {
    fn default() -> Self {
        Self([0.0; DIMENSIONS])
    }
}

impl Sum {
    pub(super) fn add(&mut self, other: &Self) {
        for (total, more) in self.0.iter_mut().zip(&other.0) {
            *total += more;
        }
    }

    /// The Euclidean length: how much a text says, since rare words weigh more than common ones.
    pub(super) fn length(&self) -> f32 {
        dot(&self.0, &self.0).sqrt()
    }

    /// The vector of length one; none for a text without known words.
    pub(super) fn direction(&self) -> Option<Direction> {
        let length = self.length();
        (length > f32::EPSILON).then(|| Direction(self.0.map(|x| x / length).into()))
    }
}

/// A vector of length one.
#[derive(Clone, Debug)]
pub(super) struct Direction(Box<[f32; DIMENSIONS]>);

impl Direction {
    /// The cosine, -1..=1.
    pub(super) fn cosine(&self, other: &Self) -> f32 {
        dot(&self.0, &other.0).clamp(-1.0, 1.0)
    }
}

/// Eight partial sums in a fixed order: vectorised, and the same on every machine.
fn dot(a: &[f32; DIMENSIONS], b: &[f32; DIMENSIONS]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> &'static [u8] {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        file.leak()
    }

    fn header(rows: usize, end: usize) -> String {
        format!(
            r#"{{"weights":{{"dtype":"F32","shape":[{rows}],"data_offsets":[0,{w}]}},"embeddings":{{"dtype":"I8","shape":[{rows},256],"data_offsets":[{w},{end}]}}}}"#,
            w = rows * 4
        )
    }

    #[test]
    fn well_formed_file_loads() {
        let table = Embedding::parse(file(&header(2, 8 + 512), &[0; 8 + 512])).unwrap();
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn malformed_files_are_errors() {
        let nan = f32::NAN.to_le_bytes();
        let cases: [&'static [u8]; 9] = [
            b"",
            b"\x01\x02",
            b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
            file("", b""),
            file("{}", b""),
            file("[1,2", b""),
            file(&header(2, 8 + 512), &[0; 8 + 511]),
            file(&header(2, 8 + 256), &[0; 8 + 512]),
            file(&header(1, 4 + 256), &[&nan[..], &[0; 256]].concat()),
        ];
        for case in cases {
            assert!(Embedding::parse(case).is_err(), "{case:?}");
        }
        let other = header(2, 8 + 512).replace("F32", "F16");
        assert!(Embedding::parse(file(&other, &[0; 8 + 512])).is_err());
        let backwards = header(2, 4);
        assert!(Embedding::parse(file(&backwards, &[0; 8 + 512])).is_err());
        let huge = header(2, 8 + 512).replace("256", "18446744073709551615");
        assert!(Embedding::parse(file(&huge, &[0; 8 + 512])).is_err());
    }

    #[test]
    fn direction_of_nothing_is_none() {
        assert!(Sum::default().direction().is_none());
    }
}
