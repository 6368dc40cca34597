//! The list of calls as a table (CSV, RFC 4180), however long it is: read and sent a few hundred calls at a time.
//!
//! Whoever opens it does so in a spreadsheet, and a spreadsheet computes what begins like a formula. So a text that does
//! is written with an apostrophe before it, which makes it a text; telephone numbers are digits behind a plus, and stand
//! as they are.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, web};
use futures_util::{StreamExt as _, stream};

use crate::engine::ids::PhoneNumber;
use crate::http::api::Api;
use crate::http::api::body::Body;
use crate::http::api::caller::Caller;
use crate::http::api::problem::Problem;
use crate::store::{CallFilter, CallPlace, ListedCall, ListedCalls};

use super::search::Exported;

/// How many calls are read at once: some 100 KB of table.
const AT_ONCE: usize = 500;

/// The columns, in order.
const COLUMNS: [&str; 14] = [
    "call_sid",
    "business",
    "direction",
    "status",
    "from",
    "to",
    "created_at",
    "answered_at",
    "ended_at",
    "duration_s",
    "answered_by",
    "cause",
    "score",
    "verdict",
];

/// The list of calls as a CSV table, whole. Changes nothing.
///
/// The first row names the columns. A text that a spreadsheet would take for a formula has an apostrophe before it.
#[utoipa::path(post, path = "/calls/export", tag = "calls", operation_id = "export_calls", request_body = Exported,
    responses((status = 200, description = "The table.", content_type = "text/csv", body = String)),
)]
pub(super) async fn export(
    caller: Caller,
    Body(asked): Body<Exported>,
    api: web::Data<Api>,
) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"calls.csv\""));
    let head = table([COLUMNS.map(str::to_owned)])?;
    let Some(wanted) = asked.seen_by(&caller) else { return Ok(response.body(head)) };
    // What can't be read at all is told as a problem; what breaks later breaks the answer.
    let first = read(&api, &wanted, None).await?;
    let rest = stream::unfold(first.next.clone().map(Ok), move |from: Option<Result<CallPlace, ()>>| {
        let (api, wanted) = (api.clone(), wanted.clone());
        async move {
            let Ok(from) = from? else { return None };
            match read(&api, &wanted, Some(from)).await {
                Ok(listed) => Some((rows(&listed.calls), listed.next.map(Ok))),
                Err(problem) => {
                    if let Some(cause) = problem.cause() {
                        api.say_failed("export_calls", cause);
                    }
                    Some((Err(problem), Some(Err(()))))
                }
            }
        }
    });
    let begin = stream::iter([Ok(head), rows(&first.calls)]);
    Ok(response.streaming(begin.chain(rest)))
}

async fn read(api: &Api, wanted: &CallFilter, from: Option<CallPlace>) -> Result<ListedCalls, Problem> {
    let wanted = wanted.clone();
    api.ask(move |store| store.list_calls(&wanted, from.as_ref(), AT_ONCE)).await
}

fn rows(calls: &[ListedCall]) -> Result<web::Bytes, Problem> {
    table(calls.iter().map(row))
}

fn table(rows: impl IntoIterator<Item = [String; COLUMNS.len()]>) -> Result<web::Bytes, Problem> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        table
            .write_record(row.iter().map(|cell| harmless(cell)))
            .map_err(|error| Problem::internal(error.to_string()))?;
    }
    table.into_inner().map(Into::into).map_err(|error| Problem::internal(error.to_string()))
}

fn row(call: &ListedCall) -> [String; COLUMNS.len()] {
    let ListedCall { row, end } = call;
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let time = |at: Option<i64>| {
        let at = at.and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
        at.map(|at| at.to_string()).unwrap_or_default()
    };
    let quality = call.quality();
    [
        row.call_sid.to_string(),
        text(row.business.as_ref().map(|business| business.value.as_str())),
        text(row.direction.as_ref().map(|direction| direction.value.as_str())),
        row.status.as_str().to_owned(),
        text(row.from.as_ref().map(|party| party.value.as_str())),
        text(row.to.as_ref().map(|party| party.value.as_str())),
        time(Some(row.created_at)),
        time(row.answered_at),
        time(row.ended_at),
        row.duration_s.to_string(),
        text(row.answered_by.as_ref().map(|found| found.value.as_str())),
        text(end.as_ref().map(|end| end.cause.as_str())),
        quality.as_ref().map(|quality| quality.score.to_string()).unwrap_or_default(),
        text(quality.as_ref().map(|quality| quality.verdict.word())),
    ]
}

/// What begins a formula.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The text as a spreadsheet takes it for a text. Some part cells at `;` or at a tab, and so each part is guarded.
fn harmless(text: &str) -> String {
    if text.parse::<PhoneNumber>().is_ok() {
        return text.to_owned();
    }
    let (mut guarded, mut begins) = (String::with_capacity(text.len()), true);
    for letter in text.chars() {
        if begins && FORMULA.contains(&letter) {
            guarded.push('\'');
        }
        begins = matches!(letter, ';' | '\t' | '\r' | '\n');
        guarded.push(letter);
    }
    guarded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_a_text() {
        for (text, written) in [
            ("+14155550100", "+14155550100"),
            ("Bakery", "Bakery"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+1+1", "'+1+1"),
            ("+1|cmd", "'+1|cmd"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("sip:a;=cmd|' /C calc'!A0;b", "sip:a;'=cmd|' /C calc'!A0;b"),
        ] {
            assert_eq!(harmless(text), written);
        }
    }

    proptest! {
        #[test]
        fn a_table_gives_back_its_texts_and_none_is_a_formula(text in "[;=+@a1\t\r\n' -]{0,12}|\\PC{0,40}") {
            let mut row = COLUMNS.map(str::to_owned);
            row[1] = text.clone();
            let table = table([row]).unwrap();
            let mut read = csv::ReaderBuilder::new().has_headers(false).from_reader(&table[..]);
            let cells = read.records().next().unwrap().unwrap();
            let bare = |text: &str| text.replace('\'', "");
            prop_assert_eq!(bare(&cells[1]), bare(&text));
            let is_number = cells[1].parse::<PhoneNumber>().is_ok();
            let is_formula = |part: &str| part.starts_with(['=', '+', '-', '@']);
            prop_assert!(is_number || !cells[1].split([';', '\t', '\r', '\n']).any(is_formula), "{:?}", &cells[1]);
            prop_assert!(!cells[1].starts_with(['\t', '\r', '\n']));
        }
    }
}
