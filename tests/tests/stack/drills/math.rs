//! The part of CloudWatch's metric math that the alarms are written in: `+ - * / > <`, `IF`, `FILL`, numbers and names.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>

/// Evaluates an expression over the datapoints of `value_of`; `None` if one is missing.
///
/// # Panics
/// When the expression is not of this subset.
pub(crate) fn evaluate(expression: &str, value_of: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut reader = Reader {
        tokens: tokens(expression),
        at: 0,
        value_of,
    };
    let value = reader.comparison();
    assert!(
        reader.at == reader.tokens.len(),
        "{expression}: what is behind the end?"
    );
    value
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut inside = false;
    for c in expression.chars().filter(|c| !c.is_whitespace()) {
        let is_word = c.is_ascii_alphanumeric() || c == '.';
        match tokens.last_mut() {
            Some(last) if inside && is_word => last.push(c),
            _ => tokens.push(c.to_string()),
        }
        inside = is_word;
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<String>,
    at: usize,
    value_of: &'a dyn Fn(&str) -> Option<f64>,
}

impl Reader<'_> {
    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|next| next == token);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "{token} is not at {} of {:?}", self.at, self.tokens);
    }

    fn comparison(&mut self) -> Option<f64> {
        let left = self.sum();
        if self.take(">") {
            return of_both(left, self.sum(), |left, right| f64::from(left > right));
        }
        if self.take("<") {
            return of_both(left, self.sum(), |left, right| f64::from(left < right));
        }
        left
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product();
        loop {
            if self.take("+") {
                value = of_both(value, self.product(), |left, right| left + right);
            } else if self.take("-") {
                value = of_both(value, self.product(), |left, right| left - right);
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.factor();
        loop {
            if self.take("*") {
                value = of_both(value, self.factor(), |left, right| left * right);
            } else if self.take("/") {
                // A division by zero gives no datapoint.
                value = of_both(value, self.factor(), |left, right| left / right).filter(|value| value.is_finite());
            } else {
                return value;
            }
        }
    }

    fn factor(&mut self) -> Option<f64> {
        if self.take("(") {
            let value = self.comparison();
            self.expect(")");
            return value;
        }
        let word = self.tokens[self.at].clone();
        self.at += 1;
        match word.as_str() {
            "FILL" => {
                let [value, filling] = self.arguments();
                value.or(filling)
            }
            "IF" => {
                let [condition, then, otherwise] = self.arguments();
                condition.and_then(|condition| if condition == 0.0 { otherwise } else { then })
            }
            number if number.starts_with(|c: char| c.is_ascii_digit()) => Some(number.parse().expect("a number")),
            name => {
                assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "what is {name}?");
                (self.value_of)(name)
            }
        }
    }

    fn arguments<const N: usize>(&mut self) -> [Option<f64>; N] {
        self.expect("(");
        let values = std::array::from_fn(|n| {
            if n > 0 {
                self.expect(",");
            }
            self.comparison()
        });
        self.expect(")");
        values
    }
}

fn of_both(left: Option<f64>, right: Option<f64>, what: impl Fn(f64, f64) -> f64) -> Option<f64> {
    left.zip(right).map(|(left, right)| what(left, right))
}

#[test]
fn expressions_come_to_what_cloudwatch_says() {
    let known = |name: &str| match name {
        "a" => Some(6.0),
        "b" => Some(4.0),
        _ => None,
    };
    for (expression, value) in [
        ("1 + 2 * 3 - 8 / 4", Some(5.0)),
        ("(1 + 2) * 3", Some(9.0)),
        ("100 * (1 - b / a)", Some(100.0 / 3.0)),
        ("FILL(a, 0) + FILL(none, 2)", Some(8.0)),
        ("a + none", None),
        ("a / 0", None),
        ("IF(FILL(none, 0) > 50, 1, 100)", Some(100.0)),
        ("IF(a > b, a, b)", Some(6.0)),
        ("IF(a < b, a, none)", None),
        ("0.8 * 20", Some(16.0)),
    ] {
        let found = evaluate(expression, &known);
        let close = match (found, value) {
            (Some(found), Some(value)) => (found - value).abs() < 1e-9,
            (found, value) => found == value,
        };
        assert!(close, "{expression}: {found:?}");
    }
}
