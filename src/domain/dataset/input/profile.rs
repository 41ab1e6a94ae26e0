//! What a column's values are, judged by all of them.

use std::collections::BTreeSet;

use super::{ColumnKind, ColumnType, Value, flag_of, is_missing, level_text, number_of};

/// What was seen of a column.
#[derive(Clone, Debug, Default)]
pub struct ColumnProfile {
    rows: u64,
    missing: u64,
    numbers: u64,
    flags: u64,
    range: Option<(f64, f64)>,
    /// The different texts, until there are too many.
    texts: BTreeSet<String>,
}

/// Why a column is no input.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LeftOut {
    /// No value at all.
    #[error("every value is missing")]
    Empty,
    /// One value only.
    #[error("all values are the same")]
    Constant,
    /// Like a key or a free text.
    #[error("more than {} different texts, like a key", ColumnType::MOST_LEVELS)]
    TooManyTexts,
}

impl ColumnProfile {
    /// Looks at one more value.
    pub fn add(&mut self, value: Value<'_>) {
        self.rows += 1;
        let number = match value {
            Value::Missing => None,
            Value::Text(text) if is_missing(text) => None,
            Value::Text(text) => {
                self.flags += u64::from(flag_of(text).is_some());
                Some(number_of(text))
            }
            Value::Flag(flag) => {
                self.flags += 1;
                Some(Some(f64::from(u8::from(flag))))
            }
            Value::Number(number) => Some(Some(number)),
        };
        let Some(number) = number else {
            self.missing += 1;
            return;
        };
        if let Some(number) = number {
            self.numbers += 1;
            let (least, most) = self.range.unwrap_or((number, number));
            self.range = Some((least.min(number), most.max(number)));
        }
        if self.texts.len() <= ColumnType::MOST_LEVELS {
            self.texts.insert(level_text(value));
        }
    }

    /// Rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows without a value.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The type that all values have: boolean where all are flags in words, numeric where all are
    /// numbers, otherwise categorical.
    ///
    /// # Errors
    /// Why the column is no input.
    pub fn infer(&self) -> Result<ColumnType, LeftOut> {
        let known = self.rows - self.missing;
        let is_constant = self.range.is_some_and(|(least, most)| least == most);
        if known == 0 {
            Err(LeftOut::Empty)
        } else if self.flags == known && self.numbers < known {
            if self.texts.len() == 1 { Err(LeftOut::Constant) } else { Ok(ColumnType::Boolean) }
        } else if self.numbers == known && self.flags == known && self.all_words() {
            Ok(ColumnType::Boolean)
        } else if self.numbers == known {
            if is_constant { Err(LeftOut::Constant) } else { Ok(ColumnType::Numeric) }
        } else {
            self.categorical()
        }
    }

    /// The column as of this kind, whatever its values look like; by [`ColumnProfile::infer`] when
    /// none is asked for.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn column_type(&self, kind: Option<ColumnKind>) -> Result<ColumnType, LeftOut> {
        match kind {
            None => self.infer(),
            Some(ColumnKind::Numeric) => Ok(ColumnType::Numeric),
            Some(ColumnKind::Boolean) => Ok(ColumnType::Boolean),
            Some(ColumnKind::Categorical) => self.categorical(),
        }
    }

    /// The type of a column with one value.
    pub fn constant(&self) -> ColumnType {
        let known = self.rows - self.missing;
        if self.numbers == known {
            ColumnType::Numeric
        } else if self.flags == known {
            ColumnType::Boolean
        } else {
            ColumnType::Categorical { levels: self.texts.iter().cloned().collect() }
        }
    }

    /// The different texts in their order; of too many the first ones that were seen.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.texts.iter()
    }

    fn categorical(&self) -> Result<ColumnType, LeftOut> {
        match self.texts.len() {
            0 => Err(LeftOut::Empty),
            1 => Err(LeftOut::Constant),
            count if count > ColumnType::MOST_LEVELS => Err(LeftOut::TooManyTexts),
            _ => Ok(ColumnType::Categorical { levels: self.texts.iter().cloned().collect() }),
        }
    }

    /// Whether the values were flags of their own type, not texts that spell 0 and 1.
    fn all_words(&self) -> bool {
        self.texts.iter().all(|text| text == "true" || text == "false")
    }
}
