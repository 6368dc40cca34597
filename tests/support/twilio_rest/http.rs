//! One request on one connection.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::form_urlencoded;

use super::answers::{asked, do_it};
use super::{Answer, Fault, State};

/// What came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Below the account, without the query.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
}

pub(super) async fn serve(mut connection: TcpStream, state: Arc<Mutex<State>>) {
    let Some((head, body)) = read(&mut connection).await else { return };
    let answered = answer(&state, &head, &body);
    let (answer, late) = match answered {
        Some(answered) => answered,
        // For ever: until whoever asked has lost patience and closes.
        None => return while matches!(connection.read(&mut [0; 64]).await, Ok(1..)) {},
    };
    if let Some(late) = late {
        tokio::time::sleep(late).await;
    }
    // Whoever asked may have gone.
    connection.write_all(&answer).await.ok();
    connection.shutdown().await.ok();
}

/// What is answered, and after which time; `None` for silence.
fn answer(state: &Mutex<State>, head: &str, body: &str) -> Option<(Vec<u8>, Option<std::time::Duration>)> {
    let mut state = state.lock().unwrap();
    let request = match judge(&mut state, head, body) {
        Ok(request) => request,
        Err(answer) => return Some((bytes(answer.status, &answer.body.to_string(), None), None)),
    };
    let kind = asked(&request);
    if let Some(kind) = kind {
        *state.asked.entry(kind).or_default() += 1;
    }
    let fault = kind.and_then(|kind| state.faults.get_mut(&kind)?.pop_front());
    match fault {
        None => {
            let Answer { status, body } = do_it(&mut state, &request);
            Some((bytes(status, &body.to_string(), None), None))
        }
        Some(Fault::Silent { is_done }) => {
            if is_done {
                do_it(&mut state, &request);
            }
            None
        }
        Some(Fault::Late(late)) => {
            let Answer { status, body } = do_it(&mut state, &request);
            Some((bytes(status, &body.to_string(), None), Some(late)))
        }
        Some(Fault::Status { status, body, retry_after, is_done }) => {
            if is_done {
                do_it(&mut state, &request);
            }
            Some((bytes(status, body, retry_after), None))
        }
        Some(Fault::Garbage) => {
            let Answer { status, .. } = do_it(&mut state, &request);
            Some((bytes(status, "<html>no JSON</html>", None), None))
        }
    }
}

/// The request, if its head is as it should be.
fn judge(state: &mut State, head: &str, body: &str) -> Result<Request, Box<Answer>> {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
    let base = format!("/2010-04-01/Accounts/{}/", state.account_sid);
    let mut request =
        Request { method: method.to_owned(), path: path.to_owned(), query: pairs(query), form: pairs(body) };
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    };
    let credentials = format!("{}:{}", state.account_sid, state.auth_token);
    if header("authorization") != Some(&format!("Basic {}", STANDARD.encode(credentials))) {
        return Err(Box::new(super::answers::refusal(401, 20003)));
    }
    let Some(below) = path.strip_prefix(&base) else {
        state.violations.push(format!("{method} {path}: not below {base}"));
        return Err(Box::new(super::answers::refusal(404, 20404)));
    };
    request.path = below.to_owned();
    let is_form = header("content-type") == Some("application/x-www-form-urlencoded");
    if method == "POST" && !is_form {
        state.violations.push(format!("POST {path}: the body is no form"));
        return Err(Box::new(super::answers::refusal(415, 20008)));
    }
    Ok(request)
}

fn bytes(status: u16, body: &str, retry_after: Option<u32>) -> Vec<u8> {
    let retry_after = retry_after.map_or(String::new(), |seconds| format!("Retry-After: {seconds}\r\n"));
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{retry_after}Content-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Head and body; `None` if the request breaks off.
async fn read(connection: &mut TcpStream) -> Option<(String, String)> {
    let mut raw = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&raw).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines().map(str::to_ascii_lowercase);
            let length = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if connection.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    }
}
