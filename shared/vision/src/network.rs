//! A small runner of convolutional networks in the file format of `model/tfjs_to_hand.py`.
//!
//! A file is `NSFW1\0\0\0`, the number of layers, and each layer: eleven little-endian u32 ([`Layer`] in order), the f32 scale and
//! the u32 zero point of its weights, f32 biases, u8 weights. Layer n reads the outputs of earlier ones by number; 0 is the picture.
//! Convolutions pad as TensorFlow's `SAME`. Values lie as height, width, channel.
//!
//! Ours, because it is a fifth of the time and a hundredth of the size of a library's: `docs/DETECT.md` has the figures.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// The side of the picture that the network is shown, in pixels.
pub(crate) const SIDE: u32 = 224;

const MAGIC: &[u8; 8] = b"NSFW1\0\0\0";
const CLASSES: usize = 5;

/// More than any layer has: bounds what a damaged file can ask for.
const MOST: u32 = 1 << 22;

/// A file, or a use of it, that does not fit the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the embedded image model cannot be used: {0}")]
pub struct Malformed(pub(crate) &'static str);

impl Malformed {
    /// Nothing was shown.
    pub const NOTHING_TO_SEE: Self = Self("there is nothing to look at");
}

/// A network, ready to run.
#[derive(Debug)]
pub(crate) struct Network {
    layers: Vec<Layer>,
    /// For each value, the last layer that reads it: after that its memory is given back.
    last_use: Vec<usize>,
}

#[derive(Debug)]
struct Layer {
    kind: Kind,
    input: usize,
    other: usize,
    kernel: usize,
    stride: usize,
    channels_in: usize,
    channels_out: usize,
    is_bounded: bool,
    pad: usize,
    side_in: usize,
    side_out: usize,
    biases: Vec<f32>,
    weights: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Convolution,
    /// Each channel by itself.
    Depthwise,
    Sum,
    /// The mean of each channel.
    Mean,
    Dense,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("the file is cut"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn four(&mut self) -> Result<[u8; 4], Malformed> {
        self.take(4)?.try_into().map_err(|_| Malformed("the file is cut"))
    }

    fn number(&mut self) -> Result<usize, Malformed> {
        let number = u32::from_le_bytes(self.four()?);
        let number = Some(number).filter(|number| *number < MOST);
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or(Malformed("a number is out of bounds"))
    }

    fn real(&mut self) -> Result<f32, Malformed> {
        Ok(f32::from_le_bytes(self.four()?))
    }
}

impl Network {
    /// Reads a network from the bytes of its file.
    pub(crate) fn read(file: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(file);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(Malformed("the file is of another kind"));
        }
        let count = reader.number()?;
        let mut layers: Vec<Layer> = Vec::new();
        for place in 0..count {
            let layer = Layer::read(&mut reader)?;
            if layer.input > place || layer.other > place {
                return Err(Malformed("a layer reads a later one"));
            }
            layers.push(layer);
        }
        if !reader.0.is_empty() {
            return Err(Malformed("bytes are left over"));
        }
        let mut last_use = vec![0; count + 1];
        for (place, layer) in layers.iter().enumerate() {
            last_use[layer.input] = place;
            last_use[layer.other] = last_use[layer.other].max(place);
        }
        Ok(Self { layers, last_use })
    }

    /// Returns the probability of each class for 224 by 224 RGB pixels.
    pub(crate) fn classes(&self, pixels: &[u8]) -> Result<[f32; CLASSES], Malformed> {
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); self.layers.len() + 1];
        values[0] = pixels.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
        let mut patches = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let output = layer.run(&values, &mut patches)?;
            values[place + 1] = output;
            for used in [layer.input, layer.other] {
                if self.last_use[used] == place {
                    values[used] = Vec::new();
                }
            }
        }
        let scores = values.pop().unwrap_or_default();
        softmax(&scores).ok_or(Malformed("the last layer has another number of classes"))
    }
}

fn softmax(scores: &[f32]) -> Option<[f32; CLASSES]> {
    let scores: [f32; CLASSES] = scores.try_into().ok()?;
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    let powers = scores.map(|score| (score - highest).exp());
    let sum: f32 = powers.iter().sum();
    Some(powers.map(|power| power / sum))
}

impl Layer {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut numbers = [0; 11];
        for number in &mut numbers {
            *number = reader.number()?;
        }
        let [
            kind,
            input,
            other,
            kernel,
            stride,
            channels_in,
            channels_out,
            bounded,
            pad,
            side_in,
            side_out,
        ] = numbers;
        let (scale, zero) = (reader.real()?, reader.number()?);
        let (kind, weights) = match kind {
            0 => (Kind::Convolution, kernel * kernel * channels_in * channels_out),
            1 => (Kind::Depthwise, kernel * kernel * channels_in),
            2 => (Kind::Sum, 0),
            3 => (Kind::Mean, 0),
            4 => (Kind::Dense, channels_in * channels_out),
            _ => return Err(Malformed("a layer is of an unknown kind")),
        };
        let zero = u8::try_from(zero).map_err(|_| Malformed("a zero point is out of bounds"))?;
        let biases = reader.take(4 * channels_out)?.chunks_exact(4);
        let biases = biases.filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes));
        let biases = biases.collect();
        let weight = |byte: &u8| (f32::from(*byte) - f32::from(zero)) * scale;
        Ok(Self {
            kind,
            input,
            other,
            kernel,
            stride,
            channels_in,
            channels_out,
            is_bounded: bounded == 1,
            pad,
            side_in,
            side_out,
            biases,
            weights: reader.take(weights)?.iter().map(weight).collect(),
        })
    }

    fn run(&self, values: &[Vec<f32>], patches: &mut Vec<f32>) -> Result<Vec<f32>, Malformed> {
        let input = &values[self.input];
        match self.kind {
            Kind::Convolution if self.kernel == 1 => self.multiply(input),
            Kind::Convolution => {
                self.gather(input, patches);
                self.multiply(patches)
            }
            Kind::Depthwise => Ok(self.depthwise(input)),
            Kind::Sum => Ok(input
                .iter()
                .zip(&values[self.other])
                .map(|(one, two)| one + two)
                .collect()),
            Kind::Mean => Ok(self.mean(input)),
            Kind::Dense => self.multiply(input),
        }
    }

    /// Multiplies rows of inputs with the weights, and adds the biases.
    fn multiply(&self, rows: &[f32]) -> Result<Vec<f32>, Malformed> {
        let depth = self.weights.len() / self.channels_out.max(1);
        let count = rows.len() / depth.max(1);
        let mut output = self.biases.repeat(count);
        let wrong = |_| Malformed("a layer has another shape than its input");
        let left = ArrayView2::from_shape((count, depth), rows).map_err(wrong)?;
        let right = ArrayView2::from_shape((depth, self.channels_out), &self.weights).map_err(wrong)?;
        let mut product = ArrayViewMut2::from_shape((count, self.channels_out), &mut output).map_err(wrong)?;
        general_mat_mul(1.0, &left, &right, 1.0, &mut product);
        self.bound(&mut output);
        Ok(output)
    }

    fn bound(&self, output: &mut [f32]) {
        if self.is_bounded {
            for value in output {
                *value = value.clamp(0.0, 6.0);
            }
        }
    }

    /// Lays the inputs of each output in a row of their own.
    fn gather(&self, input: &[f32], patches: &mut Vec<f32>) {
        let row = self.kernel * self.kernel * self.channels_in;
        patches.clear();
        patches.resize(self.side_out * self.side_out * row, 0.0);
        for (place, patch) in patches.chunks_exact_mut(row).enumerate() {
            for (cell, from) in self.under(place) {
                let to = cell * self.channels_in;
                patch[to..to + self.channels_in].copy_from_slice(&input[from..from + self.channels_in]);
            }
        }
    }

    fn depthwise(&self, input: &[f32]) -> Vec<f32> {
        let channels = self.channels_in;
        let mut output = vec![0.0; self.side_out * self.side_out * channels];
        for (place, sums) in output.chunks_exact_mut(channels).enumerate() {
            sums.copy_from_slice(&self.biases);
            for (cell, from) in self.under(place) {
                let weights = &self.weights[cell * channels..][..channels];
                let inputs = &input[from..][..channels];
                for ((sum, value), weight) in sums.iter_mut().zip(inputs).zip(weights) {
                    *sum += value * weight;
                }
            }
            self.bound(sums);
        }
        output
    }

    /// Returns the cells of the kernel at an output that lie within the input, each with its place there.
    fn under(&self, place: usize) -> impl Iterator<Item = (usize, usize)> {
        let (row, column) = (place / self.side_out, place % self.side_out);
        let at = |output: usize, cell: usize| (output * self.stride + cell).checked_sub(self.pad);
        (0..self.kernel * self.kernel).filter_map(move |cell| {
            let y = at(row, cell / self.kernel).filter(|y| *y < self.side_in)?;
            let x = at(column, cell % self.kernel).filter(|x| *x < self.side_in)?;
            Some((cell, (y * self.side_in + x) * self.channels_in))
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "49 places")]
    fn mean(&self, input: &[f32]) -> Vec<f32> {
        let places = (self.side_in * self.side_in).max(1);
        let channels = input.len() / places;
        let mut means = vec![0.0; channels];
        for values in input.chunks_exact(channels.max(1)) {
            for (mean, value) in means.iter_mut().zip(values) {
                *mean += value / places as f32;
            }
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = include_bytes!("../model/model.nsfw");

    /// The answers of onnxruntime 1.32 to the pictures of [`picture`], for the same weights in ONNX form (`model/tfjs_to_onnx.py`).
    const REFERENCE: [[f32; CLASSES]; 10] = [
        [0.010_164_881, 0.000_222_384, 0.989_577_65, 1.9934e-05, 1.525e-05],
        [0.014_051_255, 0.000_102_555, 0.985_832_1, 1.0939e-05, 3.121e-06],
        [0.008_667_57, 0.000_206_273, 0.991_071_9, 3.5964e-05, 1.8314e-05],
        [0.210_847_97, 0.004_858_141, 0.783_315_7, 0.000_401_846, 0.000_576_34],
        [0.002_642_61, 0.000_987_232, 0.996_357_26, 1.0728e-05, 2.109e-06],
        [0.003_977_315, 0.000_224_07, 0.995_766_5, 2.0624e-05, 1.1421e-05],
        [0.003_013_979, 0.000_560_934, 0.996_276, 0.000_128_208, 2.0767e-05],
        [0.036_379_19, 0.019_660_966, 0.942_827_2, 0.000_583_946, 0.000_548_587],
        [0.011_649_434, 0.000_443_87, 0.987_906_6, 2.3e-08, 1.5e-07],
        [0.010_237_421, 0.000_115_105, 0.989_647_45, 8e-09, 5.7e-08],
    ];

    /// Picture `n` of ten, by formula: slopes, checks and rings.
    fn picture(n: usize) -> Vec<u8> {
        let side = SIDE as usize;
        let value = |y: usize, x: usize, c: usize| match n {
            0..4 => x * (n + 1) * 7 + y * (n + 2) * 3 + c * 61,
            4..7 => (x / (4 << (n - 4))) % 2 * 200 + (y / (5 << (n - 4))) % 2 * 40 + c * 5,
            _ => (x.abs_diff(112).pow(2) + y.abs_diff(112).pow(2)) * (n - 6) / (64 * (c + 1)),
        };
        let places = (0..side * side * 3).map(|at| value(at / 3 / side, at / 3 % side, at % 3));
        places.map(|value| u8::try_from(value % 256).unwrap()).collect()
    }

    #[test]
    fn answers_are_those_of_the_reference() {
        let network = Network::read(FILE).unwrap();
        for (n, expected) in REFERENCE.iter().enumerate() {
            let classes = network.classes(&picture(n)).unwrap();
            for (class, expected) in classes.iter().zip(expected) {
                assert!((class - expected).abs() < 1e-4, "picture {n}: {classes:?}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let cut = Network::read(&FILE[..FILE.len() - 1]);
        assert_eq!(cut.err(), Some(Malformed("the file is cut")));
        let longer = [FILE, &[0]].concat();
        assert_eq!(Network::read(&longer).err(), Some(Malformed("bytes are left over")));
        assert_eq!(
            Network::read(b"GIF89a__").err(),
            Some(Malformed("the file is of another kind"))
        );
        let mut huge = FILE.to_vec();
        huge[11] = 0xff;
        assert_eq!(Network::read(&huge).err(), Some(Malformed("a number is out of bounds")));
    }
}
