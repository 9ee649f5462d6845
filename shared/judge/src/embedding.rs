//! The table of word-piece vectors: safetensors with one int8 row and one f32 weight per piece.
//!
//! A weight is the SIF weight a / (a + p) of the piece times the scale of its row, so a text's vector is the normalised
//! sum of weight x row over its pieces.

use std::collections::HashMap;

use serde::Deserialize;

use super::LoadError;

/// Numbers per vector.
pub(super) const DIMENSIONS: usize = 256;

/// Where a tensor lies in the file, as safetensors' header says it.
#[derive(Deserialize)]
pub(super) struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The header of a safetensors file: its tensors by name.
#[derive(Deserialize)]
pub(super) struct Header(HashMap<String, Tensor>);

impl Header {
    /// The header of a file, and the data after it.
    pub(super) fn split(file: &[u8]) -> Result<(Self, &[u8]), LoadError> {
        let (length, rest) = file
            .split_first_chunk::<8>()
            .ok_or(LoadError::Table("shorter than its length field"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| LoadError::Table("header too long"))?;
        let (header, data) = rest
            .split_at_checked(length)
            .ok_or(LoadError::Table("header cut off"))?;
        Ok((serde_json::from_slice(header).map_err(LoadError::Header)?, data))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<&Tensor, LoadError> {
        self.0.get(name).ok_or(LoadError::Table("a tensor is missing"))
    }
}

/// The table, borrowed from the executable: nothing but the weights is copied.
#[derive(Debug)]
pub(super) struct Embedding {
    weights: Vec<f32>,
    rows: &'static [[u8; DIMENSIONS]],
}

impl Embedding {
    pub(super) fn parse(file: &'static [u8]) -> Result<Self, LoadError> {
        let (header, data) = Header::split(file)?;
        let (weights, rows) = (header.tensor("weights")?, header.tensor("embeddings")?);
        let shape = &rows.shape;
        let weights = weights.numbers(data)?;
        let rows = rows.bytes(data, "I8", 1)?.as_chunks::<DIMENSIONS>().0;
        if *shape != [rows.len(), DIMENSIONS] {
            return Err(LoadError::Table("unexpected shape"));
        }
        if weights.len() != rows.len() {
            return Err(LoadError::Table("weights and rows differ in number"));
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

    /// Finite numbers, whatever the shape.
    fn numbers(&self, data: &[u8]) -> Result<Vec<f32>, LoadError> {
        let bytes = self.bytes(data, "F32", 4)?.as_chunks::<4>().0;
        let numbers: Vec<f32> = bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(LoadError::Table("not a number"))
        }
    }

    /// Finite numbers, as many as make whole vectors.
    pub(super) fn vectors(&self, data: &[u8]) -> Result<Vec<[f32; DIMENSIONS]>, LoadError> {
        match self.numbers(data)?.as_chunks::<DIMENSIONS>() {
            (vectors, []) => Ok(vectors.to_vec()),
            _ => Err(LoadError::Table("unexpected shape")),
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
    pub(super) fn of(parts: &[Self]) -> Self {
        let mut sum = Self::default();
        for part in parts {
            sum.add(part);
        }
        sum
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (total, more) in self.0.iter_mut().zip(&other.0) {
            *total += more;
        }
    }

    /// The Euclidean length: how much a text says, since rare words weigh more than common ones.
    pub(super) fn length(&self) -> f32 {
        dot(&self.0, &self.0).sqrt()
    }

    pub(super) fn numbers(&self) -> &[f32; DIMENSIONS] {
        &self.0
    }
}

/// Eight partial sums in a fixed order: vectorised, and the same on every machine.
pub(super) fn dot(a: &[f32; DIMENSIONS], b: &[f32; DIMENSIONS]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

/// A safetensors file.
#[cfg(test)]
pub(super) fn test_file(header: &str, data: &[u8]) -> &'static [u8] {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file.leak()
}

#[cfg(test)]
impl From<[f32; DIMENSIONS]> for Sum {
    fn from(numbers: [f32; DIMENSIONS]) -> Self {
        Self(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_file as file;

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
}
