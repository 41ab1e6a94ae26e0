//! Columns that a caller brings: what their values are, and how they become numbers.

mod profile;

pub use self::profile::{ColumnProfile, LeftOut};

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FeatureMatrix, InvalidMatrix};

/// A cell of a caller's table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing is known.
    Missing,
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A text, which may spell a number or a flag.
    Text(&'a str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.pad("nothing"),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}

impl Value<'_> {
    /// Whether nothing is known: no value, or a text such as `NA` or `null`.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Text(text) => is_missing(text),
            Self::Number(_) | Self::Flag(_) => false,
        }
    }
}

/// What the values of a column are.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ColumnType {
    /// Numbers.
    Numeric,
    /// Yes or no: 1 or 0.
    Boolean,
    /// One of a few texts. A text is coded by its place in `levels`; one that is not there counts
    /// as missing.
    Categorical {
        /// The texts, in their order.
        levels: Vec<String>,
    },
}

/// A type without its levels: what a recipe can ask for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// See [`ColumnType::Numeric`].
    Numeric,
    /// See [`ColumnType::Boolean`].
    Boolean,
    /// See [`ColumnType::Categorical`].
    Categorical,
}

impl ColumnKind {
    /// Its name, as in recipes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Boolean => "boolean",
            Self::Categorical => "categorical",
        }
    }
}

impl ColumnType {
    /// Most levels of a categorical column.
    pub const MOST_LEVELS: usize = 255;

    /// The type without its levels.
    pub const fn kind(&self) -> ColumnKind {
        match self {
            Self::Numeric => ColumnKind::Numeric,
            Self::Boolean => ColumnKind::Boolean,
            Self::Categorical { .. } => ColumnKind::Categorical,
        }
    }

    /// The code of a value; NaN where it is missing.
    ///
    /// # Errors
    /// What was expected, when the value is of another kind.
    pub fn encode(&self, value: Value<'_>) -> Result<f32, &'static str> {
        let number = match (self, value) {
            (_, Value::Missing) => f64::NAN,
            (_, Value::Text(text)) if is_missing(text) => f64::NAN,
            (Self::Categorical { levels }, value) => {
                let text = level_text(value);
                levels.iter().position(|level| *level == text).map_or(f64::NAN, |at| at as f64)
            }
            (Self::Numeric, Value::Number(number)) => number,
            (Self::Numeric, Value::Flag(flag)) | (Self::Boolean, Value::Flag(flag)) => {
                f64::from(u8::from(flag))
            }
            (Self::Numeric, Value::Text(text)) => number_of(text).ok_or("a number")?,
            (Self::Boolean, Value::Text(text)) => {
                f64::from(u8::from(flag_of(text).ok_or("a flag such as yes or no")?))
            }
            (Self::Boolean, Value::Number(number)) if number == 0.0 || number == 1.0 => number,
            (Self::Boolean, Value::Number(_)) => return Err("0 or 1"),
        };
        let code = number as f32;
        if code.is_infinite() { Err("a number within the range of 32 bits") } else { Ok(code) }
    }
}

impl ColumnType {
    /// The text of a code; `None` where it is missing.
    pub fn decode(&self, code: f32) -> Option<String> {
        match self {
            _ if code.is_nan() => None,
            Self::Numeric => Some(code.to_string()),
            Self::Boolean => Some((code != 0.0).to_string()),
            Self::Categorical { levels } => levels.get(code as usize).cloned(),
        }
    }
}

/// One column of a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    #[serde(flatten)]
    pub column_type: ColumnType,
}

/// The columns that a model of a caller's table takes, in order.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct InputSchema {
    /// The columns.
    pub columns: Vec<InputColumn>,
}

impl InputSchema {
    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The levels of each column; none for one that is not categorical.
    pub fn levels(&self) -> impl Iterator<Item = Vec<String>> {
        self.columns.iter().map(|column| match &column.column_type {
            ColumnType::Categorical { levels } => levels.clone(),
            ColumnType::Numeric | ColumnType::Boolean => Vec::new(),
        })
    }

    /// A matrix of codes, row-major, as [`ColumnType::encode`] makes them.
    ///
    /// # Errors
    /// When the codes do not fill whole rows or one is infinite.
    pub fn matrix(&self, codes: Vec<f32>) -> Result<FeatureMatrix, InvalidMatrix> {
        self.matrix_after(&[], codes)
    }

    /// A matrix whose rows begin with numbers of the columns `before` and go on with codes.
    ///
    /// # Errors
    /// As [`InputSchema::matrix`].
    pub fn matrix_after(
        &self,
        before: &[String],
        values: Vec<f32>,
    ) -> Result<FeatureMatrix, InvalidMatrix> {
        let names = before.iter().map(String::as_str).chain(self.names()).map(str::to_owned);
        let levels = before.iter().map(|_| Vec::new()).chain(self.levels());
        FeatureMatrix::coded(names.collect(), levels.collect(), values)
    }
}

/// Whether a text says that nothing is known.
fn is_missing(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || ["na", "n/a", "nan", "null", "none", "?"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}

fn number_of(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn flag_of(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(&["true", "yes", "t", "y", "1"]) {
        Some(true)
    } else if is_one_of(&["false", "no", "f", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// The text by which a value of a categorical column is known.
fn level_text(value: Value<'_>) -> String {
    match value {
        Value::Missing => String::new(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Text(text) => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(values: &[Value<'_>]) -> ColumnProfile {
        let mut profile = ColumnProfile::default();
        values.iter().for_each(|value| profile.add(*value));
        profile
    }

    fn texts<'a>(texts: &[&'a str]) -> Vec<Value<'a>> {
        texts.iter().map(|text| Value::Text(text)).collect()
    }

    #[test]
    fn types_follow_from_all_values() {
        let levels = |levels: &[&str]| ColumnType::Categorical {
            levels: levels.iter().map(|level| (*level).to_owned()).collect(),
        };
        for (values, expected) in [
            (texts(&["1.5", "", "2"]), ColumnType::Numeric),
            (texts(&["0", "1", "1"]), ColumnType::Numeric),
            (texts(&["Yes", "no", " ", "YES"]), ColumnType::Boolean),
            (texts(&["red", "blue", "red"]), levels(&["blue", "red"])),
            (texts(&["yes", "no", "maybe"]), levels(&["maybe", "no", "yes"])),
            (texts(&["1", "2", "many"]), levels(&["1", "2", "many"])),
            (vec![Value::Flag(true), Value::Missing], ColumnType::Boolean),
            (vec![Value::Number(3.0), Value::Missing, Value::Number(4.5)], ColumnType::Numeric),
        ] {
            assert_eq!(profile(&values).infer(), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn columns_that_tell_nothing_are_left_out() {
        assert_eq!(profile(&texts(&["", "NA"])).infer(), Err(LeftOut::Empty));
        assert_eq!(profile(&texts(&["a", "a"])).infer(), Err(LeftOut::Constant));
        assert_eq!(profile(&[Value::Number(2.0); 3]).infer(), Err(LeftOut::Constant));
        let many: Vec<String> = (0..400).map(|number| format!("key {number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(profile(&texts(&many)).infer(), Err(LeftOut::TooManyTexts));
    }

    #[test]
    fn values_become_codes_or_say_what_was_expected() {
        let flag = ColumnType::Boolean;
        assert_eq!(flag.encode(Value::Text("yes")), Ok(1.0));
        assert_eq!(flag.encode(Value::Number(0.0)), Ok(0.0));
        assert_eq!(flag.encode(Value::Number(2.0)), Err("0 or 1"));
        assert!(flag.encode(Value::Text("perhaps")).is_err());
        let colour = ColumnType::Categorical { levels: vec!["blue".into(), "red".into()] };
        assert_eq!(colour.encode(Value::Text(" red ")), Ok(1.0));
        assert!(colour.encode(Value::Text("green")).unwrap().is_nan());
        assert!(ColumnType::Numeric.encode(Value::Text("?")).unwrap().is_nan());
        assert!(ColumnType::Numeric.encode(Value::Number(1e300)).is_err());
        assert_eq!(ColumnType::Numeric.encode(Value::Text("1,5")), Err("a number"));
    }

    #[test]
    fn a_schema_survives_its_text() {
        let schema = InputSchema {
            columns: vec![
                InputColumn { name: "age".into(), column_type: ColumnType::Numeric },
                InputColumn {
                    name: "plan".into(),
                    column_type: ColumnType::Categorical { levels: vec!["a".into()] },
                },
            ],
        };
        let text = serde_json::to_string(&schema).unwrap();
        assert_eq!(
            text,
            r#"{"columns":[{"name":"age","type":"numeric"},{"name":"plan","type":"categorical","levels":["a"]}]}"#
        );
        assert_eq!(serde_json::from_str::<InputSchema>(&text).unwrap(), schema);
    }
}
