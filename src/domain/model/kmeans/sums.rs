//! Sums of the rows of each cluster, kept while rows change their clusters.

/// Per cluster: weighted sum of its rows, their weight, their number. Rows without weight are left
/// out.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    width: usize,
    values: Vec<f64>,
    clusters: Vec<Total>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Total {
    weight: f64,
    /// Can be below 0 in what a block changes.
    rows: i64,
}

impl Sums {
    pub(super) fn new(clusters: usize, width: usize) -> Self {
        let values = vec![0.0; clusters * width];
        Self { width, values, clusters: vec![Total::default(); clusters] }
    }

    pub(super) fn clear(&mut self) {
        self.values.fill(0.0);
        self.clusters.fill(Total::default());
    }

    /// Puts a row into a cluster. A cluster that is not there takes nothing.
    pub(super) fn put(&mut self, cluster: u32, row: impl Iterator<Item = f64>, weight: f64) {
        self.change(cluster, row, weight, 1);
    }

    /// Takes a row out of a cluster.
    pub(super) fn take(&mut self, cluster: u32, row: impl Iterator<Item = f64>, weight: f64) {
        self.change(cluster, row, -weight, -1);
    }

    /// Takes a row out of one cluster and puts it into another.
    pub(super) fn shift(
        &mut self,
        from: u32,
        to: u32,
        row: impl Iterator<Item = f64>,
        weight: f64,
    ) {
        let range = |cluster: u32| {
            let start = cluster as usize * self.width;
            start..start + self.width
        };
        let ranges = [range(from), range(to)];
        let Ok([left, joined]) = self.values.get_disjoint_mut(ranges) else {
            return self.put(to, row, weight);
        };
        for ((left, joined), value) in left.iter_mut().zip(joined).zip(row) {
            let value = weight * value;
            *left -= value;
            *joined += value;
        }
        self.change(from, std::iter::empty(), -weight, -1);
        self.change(to, std::iter::empty(), weight, 1);
    }

    fn change(&mut self, cluster: u32, row: impl Iterator<Item = f64>, weight: f64, rows: i64) {
        let cluster = cluster as usize;
        let Some(total) = self.clusters.get_mut(cluster).filter(|_| weight != 0.0) else {
            return;
        };
        total.weight += weight;
        total.rows += rows;
        let start = cluster * self.width;
        let sums = self.values.get_mut(start..start + self.width).unwrap_or_default();
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += weight * value;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.values.iter_mut().zip(&other.values) {
            *sum += more;
        }
        for (total, more) in self.clusters.iter_mut().zip(&other.clusters) {
            total.weight += more.weight;
            total.rows += more.rows;
        }
    }

    /// Rows with a weight in a cluster.
    pub(super) fn rows(&self, cluster: usize) -> i64 {
        self.clusters.get(cluster).map_or(0, |total| total.rows)
    }

    /// Weight of each cluster.
    pub(super) fn weights(&self) -> impl Iterator<Item = f64> {
        self.clusters.iter().map(|total| if total.rows > 0 { total.weight } else { 0.0 })
    }

    /// Sums of each cluster.
    pub(super) fn values(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// Clusters without rows.
    pub(super) fn empty(&self) -> Vec<u32> {
        (0_u32..).zip(&self.clusters).filter(|(_, t)| t.rows <= 0).map(|(c, _)| c).collect()
    }

    /// The means; the old centre where there is no row.
    pub(super) fn means(&self, old: &[f64]) -> Vec<f64> {
        let clusters = self.values().zip(self.weights()).zip(old.chunks_exact(self.width));
        let mut means = Vec::with_capacity(old.len());
        for ((sums, weight), old) in clusters {
            if weight > 0.0 {
                means.extend(sums.iter().map(|sum| sum / weight));
            } else {
                means.extend_from_slice(old);
            }
        }
        means
    }
}
