//! The assignment problem.
#![expect(
    clippy::indexing_slicing,
    reason = "all indices stay below the side of the square that the function itself allocates"
)]

/// Pairs rows with columns so that the sum of costs is smallest: the column of each row, `None`
/// for rows left over when there are more rows than columns. Costs are finite. The Hungarian
/// method in the form of shortest augmenting paths (Jonker and Volgenant 1987), cubic time.
pub(super) fn assign(costs: &[Vec<f64>]) -> Vec<Option<usize>> {
    let columns = costs.iter().map(Vec::len).max().unwrap_or(0);
    let side = costs.len().max(columns);
    let cost = |row: usize, column: usize| -> f64 {
        let given = costs.get(row).and_then(|row| row.get(column));
        given.copied().unwrap_or(0.0)
    };
    // Row and column 0 are sentinels; `row_of[0]` is the row that is being placed.
    let mut potential = Potentials { rows: vec![0.0; side + 1], columns: vec![0.0; side + 1] };
    let mut row_of = vec![0; side + 1];
    for row in 1..=side {
        row_of[0] = row;
        let (end, came_from) = potential.grow_path(&row_of, &cost);
        augment(&mut row_of, &came_from, end);
    }
    let mut assigned = vec![None; costs.len()];
    for (column, row) in row_of.iter().skip(1).take(columns).enumerate() {
        if let Some(place) = assigned.get_mut(row - 1) {
            *place = Some(column);
        }
    }
    assigned
}

struct Potentials {
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Potentials {
    /// Dijkstra's search from the sentinel column to a free column. Its end, and the column that
    /// each column was reached from.
    fn grow_path(
        &mut self,
        row_of: &[usize],
        cost: &impl Fn(usize, usize) -> f64,
    ) -> (usize, Vec<usize>) {
        let size = row_of.len();
        let mut slack = vec![f64::INFINITY; size];
        let mut came_from = vec![0; size];
        let mut visited = vec![false; size];
        let mut at = 0;
        loop {
            visited[at] = true;
            let row = row_of[at];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for column in (1..size).filter(|column| !visited[*column]) {
                let reduced = cost(row - 1, column - 1) - self.rows[row] - self.columns[column];
                if reduced < slack[column] {
                    slack[column] = reduced;
                    came_from[column] = at;
                }
                if slack[column] < step {
                    (step, next) = (slack[column], column);
                }
            }
            self.shift(step, row_of, &visited, &mut slack);
            at = next;
            if row_of[at] == 0 {
                return (at, came_from);
            }
        }
    }

    fn shift(&mut self, step: f64, row_of: &[usize], visited: &[bool], slack: &mut [f64]) {
        for column in 0..row_of.len() {
            if visited[column] {
                self.rows[row_of[column]] += step;
                self.columns[column] -= step;
            } else {
                slack[column] -= step;
            }
        }
    }
}

/// Moves every row on the path one column on.
fn augment(row_of: &mut [usize], came_from: &[usize], end: usize) {
    let mut column = end;
    while column != 0 {
        let before = came_from[column];
        row_of[column] = row_of[before];
        column = before;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn greedy_choice_is_not_taken() {
        // Taking the cheapest pair (1) first would force 100.
        let costs = [vec![1.0, 2.0], vec![2.0, 100.0]];
        assert_eq!(assign(&costs), [Some(1), Some(0)]);
    }

    #[test]
    fn rows_or_columns_may_be_left_over() {
        assert_eq!(assign(&[vec![5.0], vec![1.0], vec![3.0]]), [None, Some(0), None]);
        assert_eq!(assign(&[vec![5.0, 1.0, 3.0]]), [Some(1)]);
        assert_eq!(assign(&[]), []);
    }

    fn cheapest(costs: &[Vec<f64>], row: usize, used: &mut Vec<bool>) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..used.len() {
            if !used[column] {
                used[column] = true;
                best = best.min(costs[row][column] + cheapest(costs, row + 1, used));
                used[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn sum_is_the_smallest_of_all(
            costs in (1usize..6).prop_flat_map(|n| {
                prop::collection::vec(prop::collection::vec(0.0..10.0f64, n), n)
            })
        ) {
            let assigned = assign(&costs);
            let sum: f64 = assigned.iter().enumerate().map(|(r, c)| costs[r][c.unwrap()]).sum();
            let best = cheapest(&costs, 0, &mut vec![false; costs.len()]);
            prop_assert!((sum - best).abs() < 1e-9);
        }
    }
}
