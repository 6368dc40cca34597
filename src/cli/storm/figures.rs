//! The service's own figures, as its `/metrics` gives them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::spread::Percentiles;

/// How long a service may take to tell them, however busy it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// In front of every name.
const PREFIX: &str = "trunkline_";

/// Values by series: the name without the prefix, with its labels as they are printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Asks for them; `None` where there are none, as the floor has, or none came in time.
    pub async fn read(address: SocketAddr) -> Option<Self> {
        let page = tokio::time::timeout(PATIENCE, page(address)).await.ok()?.ok()?;
        let figures = Self::parse(&page);
        (!figures.0.is_empty()).then_some(figures)
    }

    fn parse(page: &str) -> Self {
        let lines = page.lines().filter_map(|line| line.strip_prefix(PREFIX)?.rsplit_once(' '));
        Self(lines.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect())
    }

    /// A figure, over all its labels; 0 where there is none.
    pub fn sum(&self, name: &str) -> f64 {
        let is_named = |series: &str| series.split('{').next() == Some(name);
        self.0.iter().filter(|(series, _)| is_named(series)).map(|(_, value)| value).sum()
    }

    /// How late ticks were since `earlier`. Milliseconds, between the bounds of the histogram as if they were evenly
    /// spread there; the longest is the bound above it.
    pub fn lateness_since(&self, earlier: &Self) -> Option<Percentiles> {
        let buckets = |figures: &Self| {
            let bounds = figures.0.iter().filter_map(|(series, count)| {
                let bound = series.strip_prefix("tick_lateness_seconds_bucket{le=\"")?.strip_suffix("\"}")?;
                Some((bound.parse::<f64>().ok()?, *count))
            });
            let mut buckets: Vec<(f64, f64)> = bounds.collect();
            buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            buckets
        };
        let (now, before) = (buckets(self), buckets(earlier));
        let counts = now.iter().zip(before).map(|((bound, now), (_, before))| (*bound, now - before));
        percentiles(&counts.collect::<Vec<_>>())
    }
}

async fn page(address: SocketAddr) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// From upper bounds in seconds, each with how many were at most that.
fn percentiles(buckets: &[(f64, f64)]) -> Option<Percentiles> {
    let count = buckets.last()?.1;
    if count <= 0.0 {
        return None;
    }
    let at = |share: f64| {
        let wanted = (count * share).max(1.0);
        let (mut low, mut below) = (0.0, 0.0);
        for &(bound, until) in buckets {
            if until >= wanted && bound.is_finite() {
                return low + (bound - low) * (wanted - below) / (until - below).max(1.0);
            }
            (low, below) = (if bound.is_finite() { bound } else { low }, until);
        }
        low
    };
    let most = buckets.iter().find(|(_, until)| *until >= count).map_or(0.0, |(bound, _)| *bound);
    let millis = |seconds: f64| (seconds * 1e5).round() / 100.0;
    let max = if most.is_finite() { millis(most) } else { millis(at(1.0)) };
    Some(Percentiles { count: count as u64, p50: millis(at(0.5)), p95: millis(at(0.95)), p99: millis(at(0.99)), max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_name_and_added_over_their_labels() {
        let page = "HTTP/1.1 200 OK\r\n\r\n# HELP trunkline_actors_alive Actors.\n\
            trunkline_actors_alive{actor=\"call\"} 3\ntrunkline_actors_alive{actor=\"call_status\"} 1\n\
            trunkline_calls_live 2\nsomebody_elses 9\n";
        let figures = Figures::parse(page);
        assert_eq!((figures.sum("actors_alive"), figures.sum("calls_live"), figures.sum("x")), (4.0, 2.0, 0.0));
    }

    #[test]
    fn lateness_is_what_came_between_two_looks() {
        let page = |counts: [u32; 4]| {
            let bounds = ["0.001", "0.002", "0.01", "+Inf"];
            let lines = bounds.iter().zip(counts);
            let lines =
                lines.map(|(le, count)| format!("trunkline_tick_lateness_seconds_bucket{{le=\"{le}\"}} {count}\n"));
            Figures::parse(&lines.collect::<String>())
        };
        let (before, after) = (page([7, 7, 9, 9]), page([57, 97, 109, 109]));
        let Percentiles { count, p50, p95, p99, max } = after.lateness_since(&before).unwrap();
        assert_eq!((count, p50, max), (100, 1.0, 10.0));
        assert!((6.0..=6.1).contains(&p95) && (9.1..=9.3).contains(&p99), "{p95} {p99}");
        assert_eq!(after.lateness_since(&after), None);
        assert_eq!(page([1, 1, 1, 2]).lateness_since(&page([0; 4])).unwrap().max, 10.0, "nobody knows how late");
    }
}
