//! Lists of leads, as they come: rows of JSON, or a CSV text with a header row. Either all of it can be called, or what is
//! wrong is told row by row; nothing is taken in half.
//!
//! A CSV text has a column `number` (E.164); each other column is something that the agent is told, under the column's name.
//! Columns are separated by commas, or by semicolons if the header row holds no comma.
//!
//! ```
//! use trunkline::engine::campaign::list::{read_csv, ListLimits};
//!
//! let limits = ListLimits { leads: 5_000, from: "+15005550006".parse()? };
//! let leads = read_csv("number,customer\n+14155550100,Anna\n", &limits).unwrap();
//! assert_eq!(leads[0].variables, [("customer".to_owned(), "Anna".to_owned())]);
//! # Ok::<(), trunkline::engine::ids::IdError>(())
//! ```

use std::collections::HashMap;

use super::NewLead;
use crate::engine::ids::PhoneNumber;

/// The most that is said of one lead, in entries.
pub const MOST_VARIABLES: usize = 20;
/// The longest name of an entry, in characters.
pub const LONGEST_NAME: usize = 64;
/// The longest value of an entry, in characters.
pub const LONGEST_VALUE: usize = 1_000;
/// So many faults are told; whoever mends them asks again.
pub const MOST_FAULTS: usize = 100;

/// What a list may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// How many leads.
    pub leads: usize,
    /// The number that the calls show, which can't be called.
    pub from: PhoneNumber,
}

/// Something that is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFault {
    /// Where: `csv line 7`, `leads[6].number`, or the list itself.
    pub place: String,
    /// What, and what to do about it. Without personal data.
    pub detail: String,
}

/// A row that was not checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Whom to call.
    pub number: String,
    /// What is said of them.
    pub variables: Vec<(String, String)>,
}

/// Reads a CSV text.
///
/// # Errors
/// Everything that is wrong with it, up to [`MOST_FAULTS`], by line.
pub fn read_csv(text: &str, limits: &ListLimits) -> Result<Vec<NewLead>, Vec<ListFault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // as spreadsheets write it
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains(';') && !first.contains(',') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| vec![at_line(1, "can't be read: save it as CSV in UTF-8")])?.clone();
    let number_column = number_column(&header)?;
    let mut list = Checked::new(limits);
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                list.fault(at_line(line, "can't be read: save it as CSV in UTF-8"));
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let detail = format!("has {} columns and the header row has {}", record.len(), header.len());
            list.fault(at_line(line, detail));
            continue;
        }
        let others = header.iter().zip(&record).enumerate().filter(|(column, _)| *column != number_column);
        let variables = others.map(|(_, (name, value))| (name.to_owned(), value.to_owned()));
        let row = Row {
            number: record.get(number_column).unwrap_or_default().to_owned(),
            variables: variables.filter(|(_, value)| !value.is_empty()).collect(),
        };
        list.add(row, &Place { row: format!("line {line}"), number: format!("csv line {line}") });
    }
    list.end("csv")
}

/// Checks rows that came as JSON.
///
/// # Errors
/// Everything that is wrong with them, up to [`MOST_FAULTS`], by index.
pub fn check_rows(rows: Vec<Row>, limits: &ListLimits) -> Result<Vec<NewLead>, Vec<ListFault>> {
    let mut list = Checked::new(limits);
    for (index, row) in rows.into_iter().enumerate() {
        let row_place = format!("leads[{index}]");
        list.add(row, &Place { number: format!("{row_place}.number"), row: row_place });
    }
    list.end("leads")
}

fn at_line(line: u64, detail: impl Into<String>) -> ListFault {
    ListFault { place: format!("csv line {line}"), detail: detail.into() }
}

/// Which column holds the numbers; all others have names that can be told apart.
fn number_column(header: &csv::StringRecord) -> Result<usize, Vec<ListFault>> {
    let mut faults = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (column, name) in header.iter().enumerate() {
        let which = column + 1;
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            faults.push(at_line(1, format!("column {which} needs a name of 1 to {LONGEST_NAME} characters")));
        } else if let Some(first) = seen.insert(name, which) {
            faults.push(at_line(1, format!("columns {first} and {which} have the same name")));
        }
    }
    if header.len() > MOST_VARIABLES + 1 {
        let detail = format!("has {} columns; give at most {}", header.len(), MOST_VARIABLES + 1);
        faults.push(at_line(1, detail));
    }
    match header.iter().position(|name| name == "number") {
        Some(column) if faults.is_empty() => Ok(column),
        Some(_) => Err(faults),
        None => {
            faults.push(at_line(1, "names no column \"number\"; give a header row such as number,customer"));
            Err(faults)
        }
    }
}

/// Where a row stands, and its number.
struct Place {
    row: String,
    number: String,
}

/// A list so far.
struct Checked<'a> {
    limits: &'a ListLimits,
    leads: Vec<NewLead>,
    /// Where each number stands.
    places: HashMap<PhoneNumber, String>,
    faults: Vec<ListFault>,
    rows: usize,
}

impl<'a> Checked<'a> {
    fn new(limits: &'a ListLimits) -> Self {
        Self { limits, leads: Vec::new(), places: HashMap::new(), faults: Vec::new(), rows: 0 }
    }

    fn fault(&mut self, fault: ListFault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    fn add(&mut self, row: Row, place: &Place) {
        self.rows += 1;
        if self.rows > self.limits.leads {
            return; // told once, at the end
        }
        if let Some(detail) = wrong_variables(&row.variables) {
            return self.fault(ListFault { place: place.row_place(), detail });
        }
        let number: PhoneNumber = match row.number.parse() {
            Ok(number) => number,
            Err(error) => {
                return self.fault(ListFault { place: place.number.clone(), detail: format!("the number {error}") });
            }
        };
        if number == self.limits.from {
            let detail = "the number is the one that the calls show; leave it out".to_owned();
            return self.fault(ListFault { place: place.number.clone(), detail });
        }
        if let Some(first) = self.places.insert(number.clone(), place.row.clone()) {
            let detail = format!("the number stands in {first} already; give each number once");
            self.places.insert(number, first);
            return self.fault(ListFault { place: place.number.clone(), detail });
        }
        self.leads.push(NewLead { number, variables: row.variables });
    }

    fn end(mut self, whole: &str) -> Result<Vec<NewLead>, Vec<ListFault>> {
        let most = self.limits.leads;
        if self.rows == 0 && self.faults.is_empty() {
            let detail = "holds nobody to call; give at least one".to_owned();
            self.faults.push(ListFault { place: whole.to_owned(), detail });
        }
        if self.rows > most {
            let detail = format!("holds {} leads; give at most {most} to one campaign", self.rows);
            self.faults.insert(0, ListFault { place: whole.to_owned(), detail });
        }
        if self.faults.is_empty() { Ok(self.leads) } else { Err(self.faults) }
    }
}

impl Place {
    /// Where something is wrong with the row, but not with its number.
    fn row_place(&self) -> String {
        self.number.strip_suffix(".number").unwrap_or(&self.number).to_owned()
    }
}

/// What is wrong with what is said of a lead, or on each call.
pub fn wrong_variables(variables: &[(String, String)]) -> Option<String> {
    if variables.len() > MOST_VARIABLES {
        return Some(format!("says {} things; give at most {MOST_VARIABLES}", variables.len()));
    }
    variables.iter().find_map(|(name, value)| {
        let length = name.trim().chars().count();
        if length == 0 || length > LONGEST_NAME {
            return Some(format!("a name has no characters, or more than {LONGEST_NAME}"));
        }
        let is_long = value.chars().count() > LONGEST_VALUE;
        is_long.then(|| format!("the value of {name:?} is longer than {LONGEST_VALUE} characters"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(leads: usize) -> ListLimits {
        ListLimits { leads, from: "+15005550006".parse().unwrap() }
    }

    fn faults(text: &str) -> Vec<(String, String)> {
        let faults = read_csv(text, &limits(4)).expect_err("something is wrong with it");
        faults.into_iter().map(|fault| (fault.place, fault.detail)).collect()
    }

    fn places(text: &str) -> Vec<String> {
        faults(text).into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn a_list_is_read_as_spreadsheets_write_it() {
        let anna = [("customer".to_owned(), "Anna, of the \"Mill\"".to_owned())];
        for text in [
            "number,customer\n+14155550100,\"Anna, of the \"\"Mill\"\"\"\n+14155550101,\n",
            "\u{feff}number,customer\r\n+14155550100,\"Anna, of the \"\"Mill\"\"\"\r\n+14155550101,\r\n",
            "customer;number\n\"Anna, of the \"\"Mill\"\"\";+14155550100\n;+14155550101\n",
            "number , customer\n +14155550100 ,\"Anna, of the \"\"Mill\"\"\"\n\n+14155550101,\n\n",
        ] {
            let leads = read_csv(text, &limits(4)).unwrap();
            assert_eq!(
                leads.iter().map(|lead| lead.number.as_str()).collect::<Vec<_>>(),
                ["+14155550100", "+14155550101"]
            );
            assert_eq!((&leads[0].variables[..], &leads[1].variables[..]), (&anna[..], &[][..]), "{text:?}");
        }
    }

    #[test]
    fn every_bad_row_is_told_by_its_line() {
        let text = "number,customer\n4155550100,A\n+14155550101,B\n+14155550101,C\n+15005550006,D\n";
        let faults = faults(text);
        let expected = [("csv line 2", "E.164"), ("csv line 4", "line 3"), ("csv line 5", "calls show")];
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for ((place, detail), (line, word)) in faults.iter().zip(expected) {
            assert!(place == line && detail.contains(word), "{place}: {detail}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(places(""), ["csv line 1"]);
        assert_eq!(places("number\n"), ["csv"]);
        assert_eq!(places("phone\n+14155550100\n"), ["csv line 1"]);
        assert_eq!(places("number,number\n"), ["csv line 1"]);
        assert_eq!(places("number,\n+14155550100,x\n"), ["csv line 1"]);
        assert_eq!(places("number,customer\n+14155550100\n"), ["csv line 2"]);
        assert_eq!(places(&format!("number,c\n+14155550100,{}\n", "x".repeat(1_001))), ["csv line 2"]);
        let five: String = (0..5).map(|n| format!("+1415555010{n}\n")).collect();
        assert_eq!(places(&format!("number\n{five}")), ["csv"]);
        let many: String = (0..200).map(|_| "nobody\n").collect();
        assert_eq!(read_csv(&format!("number\n{many}"), &limits(500)).unwrap_err().len(), MOST_FAULTS);
    }

    #[test]
    fn rows_of_json_are_told_by_their_index() {
        let row = |number: &str| Row { number: number.to_owned(), variables: vec![] };
        let long = Row { variables: vec![(String::new(), "x".to_owned())], ..row("+14155550102") };
        let rows = vec![row("+14155550100"), row("+0"), row("+14155550100"), long];
        let faults = check_rows(rows, &limits(9)).unwrap_err();
        let places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(places, ["leads[1].number", "leads[2].number", "leads[3]"]);
        assert!(faults[1].detail.contains("leads[0]"));
    }

    proptest! {
        #[test]
        fn no_text_does_any_harm_and_none_is_taken_in_half(text in "(number(,a)?\n)?[+0-9a,;\"\n\r]{0,80}") {
            match read_csv(&text, &limits(4)) {
                Ok(leads) => prop_assert!((1..=4).contains(&leads.len())),
                Err(faults) => prop_assert!((1..=MOST_FAULTS + 1).contains(&faults.len())),
            }
        }
    }
}
