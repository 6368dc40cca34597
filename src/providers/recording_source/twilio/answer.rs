//! Twilio's list of a call's recordings, read into values.

use serde_json::Value;

use crate::engine::ids::RecordingSid;

use super::FetchError;

/// One recording of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) sid: RecordingSid,
    /// Whether it is all there.
    pub(super) is_complete: bool,
}

/// The recordings of a page, as Twilio orders them: the newest first.
pub(super) fn recordings(answer: &Value) -> Result<Vec<Listed>, FetchError> {
    let page = answer["recordings"].as_array();
    let page = page.ok_or_else(|| FetchError::Broken("the answer has no list of recordings".to_owned()))?;
    Ok(page.iter().filter_map(listed).collect())
}

fn listed(entry: &Value) -> Option<Listed> {
    let sid = entry["sid"].as_str()?.parse().ok()?;
    Some(Listed { sid, is_complete: entry["status"] == "completed" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_read_and_what_is_none_is_told() {
        let sid = "RE00000000000000000000000000000003";
        let page = json!({ "recordings": [{ "sid": sid, "status": "completed" }, { "sid": sid, "status": "processing" }, {}] });
        let complete: Vec<bool> = recordings(&page).unwrap().iter().map(|it| it.is_complete).collect();
        assert_eq!(complete, [true, false]);
        for wrong in [json!({}), json!([]), json!(null)] {
            assert!(matches!(recordings(&wrong), Err(FetchError::Broken(_))), "{wrong}");
        }
    }
}
