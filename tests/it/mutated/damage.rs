//! Damage: blind to what the bytes mean, or within the fields of a message, whose lengths then hold, so
//! that it comes further than the decoder.

use crate::shop::Chance;

/// Flips, cuts, repeats or puts in some bytes.
pub(super) fn mutated(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() as u64 + 1) as usize;
        match chance.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, chance.below(256) as u8),
            2 => {
                let end = (at + chance.below(16) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
    bytes
}

/// A field as it stands on the wire.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    number: u64,
    value: Value,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Varint(u64),
    Double([u8; 8]),
    Bytes(Vec<u8>),
    Single([u8; 4]),
}

/// One to three fields of a message, or of one within it, are changed, repeated, moved to another number
/// or left out.
pub(super) fn changed_within(message: &[u8], chance: &mut Chance) -> Vec<u8> {
    let Some(mut fields) = parsed(message) else { return mutated(message, chance) };
    for _ in 0..=chance.below(3) {
        let at = chance.below(fields.len() as u64 + 1) as usize;
        let Some(field) = fields.get_mut(at) else { continue };
        match chance.below(8) {
            0 => drop(fields.remove(at)),
            1 => {
                let again = field.clone();
                fields.push(again);
            }
            2 => field.number = (field.number ^ (1 << chance.below(4))).max(1),
            _ => field.value.change(chance),
        }
    }
    encoded(&fields)
}

impl Value {
    fn change(&mut self, chance: &mut Chance) {
        match self {
            Self::Varint(value) => {
                let edges = [
                    0,
                    1,
                    value.wrapping_sub(1),
                    value.wrapping_add(1),
                    i32::MAX as u64,
                    u64::from(u32::MAX),
                    i64::MAX as u64,
                    i64::MIN as u64,
                    u64::MAX,
                    chance.below(1 << 30),
                ];
                *value = edges[chance.below(edges.len() as u64) as usize];
            }
            Self::Double(bytes) => *bytes = edge(chance).to_le_bytes(),
            Self::Single(bytes) => *bytes = (edge(chance) as f32).to_le_bytes(),
            Self::Bytes(bytes) => match chance.below(8) {
                0 => bytes.clear(),
                1 => *bytes = bytes.repeat(1 << chance.below(6)),
                2 | 3 => *bytes = mutated(bytes, chance),
                _ => *bytes = changed_within(bytes, chance),
            },
        }
    }
}

fn edge(chance: &mut Chance) -> f64 {
    let edges = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        -0.0,
        -1.0,
        1.0,
        1e300,
        f64::from(f32::MAX),
    ];
    edges[chance.below(edges.len() as u64) as usize]
}

/// The fields of a whole message.
fn parsed(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => Value::Double(taken(&mut bytes, 8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Value::Bytes(taken(&mut bytes, length)?.to_vec())
            }
            5 => Value::Single(taken(&mut bytes, 4)?.try_into().ok()?),
            _ => return None,
        };
        fields.push(Field { number: key >> 3, value });
    }
    Some(fields)
}

fn taken<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = taken(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn encoded(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Field { number, value } in fields {
        let kind = match value {
            Value::Varint(_) => 0,
            Value::Double(_) => 1,
            Value::Bytes(_) => 2,
            Value::Single(_) => 5,
        };
        prost::encoding::encode_varint(number << 3 | kind, &mut bytes);
        match value {
            Value::Varint(value) => prost::encoding::encode_varint(*value, &mut bytes),
            Value::Double(value) => bytes.extend(value),
            Value::Bytes(value) => {
                prost::encoding::encode_varint(value.len() as u64, &mut bytes);
                bytes.extend(value);
            }
            Value::Single(value) => bytes.extend(value),
        }
    }
    bytes
}

#[test]
fn a_message_that_is_taken_apart_is_put_together_again() {
    use patron::grpc::proto::{FloatValues, ForecastRequest};
    use prost::Message as _;

    let forecast = ForecastRequest { levels: vec![0.8], horizon: Some(300), ..Default::default() };
    for message in [forecast.encode_to_vec(), FloatValues { values: vec![1.5; 3] }.encode_to_vec()]
    {
        assert_eq!(encoded(&parsed(&message).unwrap()), message);
    }
    assert_eq!(parsed(b"\x0a\x05abc"), None, "cut off");
}
