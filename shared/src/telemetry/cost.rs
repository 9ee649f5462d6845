//! The cost of a request at the list prices of us-east-1. `tests/prices` has the same prices with their dates and
//! sources; a test compares them.

/// US dollars for a million requests to a REST API.
pub const GATEWAY_MILLION: f64 = 3.50;

/// US dollars for a million invocations of a function.
pub const INVOCATION_MILLION: f64 = 0.20;

/// US dollars for a gigabyte-second of an arm64 function.
pub const GIGABYTE_SECOND: f64 = 0.000_013_333_4;

/// US dollars for a million write units of a table on demand.
pub const WRITE_MILLION: f64 = 0.625;

/// US dollars for a million read units of a table on demand.
pub const READ_MILLION: f64 = 0.125;

/// The resources that a request used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// How long it took, in milliseconds.
    pub millis: f64,
    /// True if it came through the gateway.
    pub through_gateway: bool,
    /// Write units of tables.
    pub writes: usize,
    /// Read units of tables.
    pub reads: usize,
    /// The money paid to providers of models, in billionths of a US dollar.
    pub model_nano_usd: u64,
}

/// Returns millionths of a US dollar, rounded to a thousandth of one. Costs by the hour or by the gigabyte are not
/// included.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn micro_usd(measured: &Measured, memory_megabytes: u32) -> f64 {
    let gigabyte_seconds = f64::from(memory_megabytes) / 1024.0 * measured.millis / 1000.0;
    let gateway = if measured.through_gateway { GATEWAY_MILLION } else { 0.0 };
    let sum = gateway
        + INVOCATION_MILLION
        + gigabyte_seconds * GIGABYTE_SECOND * 1e6
        + measured.writes as f64 * WRITE_MILLION
        + measured.reads as f64 * READ_MILLION
        + measured.model_nano_usd as f64 / 1e3;
    (sum * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_what_its_parts_cost() {
        let measured = Measured {
            millis: 1000.0,
            through_gateway: true,
            writes: 2,
            reads: 8,
            model_nano_usd: 100_000,
        };
        // 3.5 + 0.2 + a quarter of a gigabyte-second + 1.25 + 1 + 100
        assert!((micro_usd(&measured, 256) - 109.283).abs() < 1e-9);
    }

    #[test]
    fn one_that_only_came_in_costs_the_way_in() {
        let measured = |through_gateway| Measured {
            through_gateway,
            ..Measured::default()
        };
        assert!((micro_usd(&measured(true), 256) - 3.7).abs() < 1e-9);
        assert!((micro_usd(&measured(false), 256) - 0.2).abs() < 1e-9, "an event");
    }
}
