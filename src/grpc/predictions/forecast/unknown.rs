//! What is said of series that a model does not have.

use tonic::Status;

use crate::dataset::SeriesKey;
use crate::grpc::status::not_found;

/// Series of a group that are named.
const NAMED: usize = 10;

/// `field` names a series that is not among those that are `known`, which are in order.
pub(super) fn series(field: &str, key: &SeriesKey, known: &[SeriesKey]) -> Status {
    let message = format!("{field} {key}: {}", problem(key, known));
    not_found("SERIES_NOT_FOUND", "patron.v1.SeriesKey", &key.to_string(), message)
}

/// The groups that there are, or the series of the group.
pub(super) fn problem(key: &SeriesKey, known: &[SeriesKey]) -> String {
    let own: Vec<&SeriesKey> = known.iter().filter(|one| one.group == key.group).collect();
    if own.is_empty() {
        let mut groups: Vec<&str> = known.iter().map(|one| one.group.as_str()).collect();
        groups.dedup();
        let groups = groups.join(", ");
        return format!("the model has no series by {:?}; its groups are {groups}", key.group);
    }
    if own.len() > NAMED {
        return format!("not in the model; it has {} other series by {}", own.len(), key.group);
    }
    let names: Vec<String> = own.iter().map(ToString::to_string).collect();
    format!("not in the model; it has {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_series_is_told_with_what_there_is() {
        let key = |group: &str, value: &str| SeriesKey {
            group: group.to_owned(),
            value: value.to_owned(),
        };
        let mut known = vec![key("country", ""), key("country", "France"), key("total", "")];
        assert_eq!(
            problem(&key("colour", "red"), &known),
            "the model has no series by \"colour\"; its groups are country, total"
        );
        let unknown = key("country", "Atlantis");
        assert_eq!(problem(&unknown, &known), "not in the model; it has country=, country=France");
        known.extend((0..20).map(|number| key("country", &format!("z{number:02}"))));
        known.sort();
        assert_eq!(
            problem(&unknown, &known),
            "not in the model; it has 22 other series by country"
        );
    }
}
