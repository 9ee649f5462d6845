//! What all posts have in common, and what is left of a text's vector without it.
//!
//! Vectors of texts lie close together, and differ most by language and length: likeness tells subjects apart only once
//! the mean and the few directions of most variance are taken away (Mu and Viswanath 2018, "All-but-the-top").

use super::LoadError;
use super::embedding::{DIMENSIONS, Header, Sum, dot};

/// The mean of many posts' vectors of length one, and the directions of length one in which they differ most.
#[derive(Debug)]
pub(super) struct Common {
    mean: [f32; DIMENSIONS],
    components: Vec<[f32; DIMENSIONS]>,
}

/// A vector of length one, without what all posts have in common.
#[derive(Clone, Debug)]
pub(super) struct Direction(Box<[f32; DIMENSIONS]>);

impl Common {
    /// Reads a safetensors file with `mean` (256) and `components` (n x 256), both F32.
    pub(super) fn parse(file: &[u8]) -> Result<Self, LoadError> {
        let (header, data) = Header::split(file)?;
        let mean = header.tensor("mean")?.vectors(data)?;
        let components = header.tensor("components")?.vectors(data)?;
        let [mean] = mean[..] else {
            return Err(LoadError::Table("unexpected shape"));
        };
        Ok(Self { mean, components })
    }

    /// None for a text without known words, and for one that says nothing of its own.
    pub(super) fn direction(&self, sum: &Sum) -> Option<Direction> {
        let mut own = unit(sum.numbers())?;
        for (number, mean) in own.iter_mut().zip(&self.mean) {
            *number -= mean;
        }
        for component in &self.components {
            let share = dot(&own, component);
            for (number, along) in own.iter_mut().zip(component) {
                *number -= share * along;
            }
        }
        unit(&own).map(|own| Direction(own.into()))
    }
}

impl Direction {
    /// The cosine, -1..=1.
    pub(super) fn cosine(&self, other: &Self) -> f32 {
        dot(&self.0, &other.0).clamp(-1.0, 1.0)
    }
}

fn unit(numbers: &[f32; DIMENSIONS]) -> Option<[f32; DIMENSIONS]> {
    let length = dot(numbers, numbers).sqrt();
    (length > f32::EPSILON).then(|| numbers.map(|number| number / length))
}

#[cfg(test)]
mod tests {
    use super::super::embedding::test_file;
    use super::*;

    fn parse(mean: usize, numbers: &[f32]) -> Result<Common, LoadError> {
        let rest = numbers.len() - mean;
        let header = format!(
            r#"{{"mean":{{"dtype":"F32","shape":[{mean}],"data_offsets":[0,{at}]}},"components":{{"dtype":"F32","shape":[{rows},256],"data_offsets":[{at},{end}]}}}}"#,
            at = mean * 4,
            rows = rest / DIMENSIONS,
            end = numbers.len() * 4
        );
        let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Common::parse(test_file(&header, &data))
    }

    #[test]
    fn nothing_is_left_of_the_mean_and_of_what_differs_along_a_component() {
        let mut numbers = vec![0.0; 2 * DIMENSIONS];
        (numbers[0], numbers[DIMENSIONS + 1]) = (1.0, 1.0);
        let common = parse(DIMENSIONS, &numbers).unwrap();
        let direction = |first: f32, second: f32, third: f32| {
            let mut sum = [0.0; DIMENSIONS];
            (sum[0], sum[1], sum[2]) = (first, second, third);
            common.direction(&Sum::from(sum))
        };
        assert!(direction(0.0, 0.0, 0.0).is_none());
        assert!(direction(3.0, 0.0, 0.0).is_none());
        let (near, far) = (direction(1.0, 5.0, 1.0).unwrap(), direction(1.0, -5.0, 1.0).unwrap());
        assert!((near.cosine(&far) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn malformed_files_are_errors() {
        assert!(parse(DIMENSIONS - 1, &[0.0; 2 * DIMENSIONS - 1]).is_err());
        assert!(parse(2 * DIMENSIONS, &[0.0; 3 * DIMENSIONS]).is_err());
        let mut numbers = vec![0.0; 2 * DIMENSIONS];
        numbers[3] = f32::NAN;
        assert!(parse(DIMENSIONS, &numbers).is_err());
        assert!(Common::parse(b"").is_err());
    }
}
