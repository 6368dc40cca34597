//! The setting that was probably meant.

/// The known key that is most like `given`, if one is like enough.
///
/// A key that is right but stands in the wrong section is found by its last part.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let leaf = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let (distance, best) = known.clone().map(|key| (distance(given, key), key)).min()?;
    if distance <= 1 + given.len() / 6 {
        return Some(best);
    }
    let mut same_leaf = known.filter(|key| leaf(key) == leaf(given));
    match (same_leaf.next(), same_leaf.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// How many letters must be added, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_key() {
        let known = [
            "http.listen",
            "http.public_url",
            "log.level",
            "vad.aggressiveness",
            "barge_in.enabled",
            "journal.enabled",
        ];
        for (given, meant) in [
            ("http.listn", Some("http.listen")),
            ("htpp.listen", Some("http.listen")),
            ("http.lisetn", Some("http.listen")),
            ("log.public_url", Some("http.public_url")),
            ("vad.agressiveness", Some("vad.aggressiveness")),
            ("log.enabled", None),
            ("http.colour", None),
        ] {
            assert_eq!(nearest(given, known.into_iter()), meant, "{given}");
        }
    }
}
