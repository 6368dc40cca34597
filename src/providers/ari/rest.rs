//! The requests.

use std::time::Duration;

use awc::ClientRequest;
use awc::error::SendRequestError;
use awc::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::engine::wire::ari::AriChannel;
use crate::providers::https;

use super::{Ari, AriAnswer, AriError, AriEvents, MediaChannel, NewChannel, events};

/// The largest answer that is read: thousands of channels.
const LARGEST_ANSWER: usize = 16 << 20;

/// Where an Asterisk's interface is, and who asks.
#[derive(Clone, Debug)]
pub struct AriSettings {
    /// Its address, as in `http://127.0.0.1:8088/ari`.
    pub url: Url,
    /// The user, of `ari.conf`.
    pub username: String,
    /// Their password.
    pub password: SecretString,
    /// The application for whose calls we are there.
    pub application: String,
    /// How long a connection may take, and how long an answer.
    pub answer_within: Duration,
}

/// The interface of one Asterisk.
pub struct AsteriskRest {
    settings: AriSettings,
}

impl AsteriskRest {
    /// The interface that these settings name.
    pub const fn new(settings: AriSettings) -> Self {
        Self { settings }
    }

    /// The address of something, with a query.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> String {
        let mut url = self.settings.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        url.set_query((!query.is_empty()).then_some(&query));
        url.into()
    }

    /// A client of its own for each request: awc's can't leave its thread, and a connection that is kept may be one that
    /// Asterisk closes meanwhile, which would leave an outcome unknown.
    fn client(&self) -> Result<awc::Client, AriError> {
        https::client(self.settings.answer_within)
            .ok_or_else(|| AriError::Unreachable("the certificates that this machine trusts can't be read".to_owned()))
    }

    async fn once(&self, request: ClientRequest) -> Result<Value, AriError> {
        let (user, password) = (&self.settings.username, self.settings.password.expose_secret());
        let limit = self.settings.answer_within;
        let asked = async {
            let mut answer = request.basic_auth(user, password).force_close().send().await.map_err(not_answered)?;
            let status = answer.status();
            let body = answer.body().limit(LARGEST_ANSWER).await;
            match status {
                status if status.is_success() => {
                    let body = body.map_err(|error| AriError::NoAnswer(error.to_string()))?;
                    match body.is_empty() {
                        true => Ok(Value::Null),
                        false => serde_json::from_slice(&body).map_err(|_| AriError::Unreadable("it is not JSON")),
                    }
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AriError::Unauthorised(status.as_u16())),
                StatusCode::NOT_FOUND => Err(AriError::NotFound),
                status => Err(AriError::Refused(status.as_u16())),
            }
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(AriError::NoAnswer(format!("nothing within {} ms", limit.as_millis()))),
        }
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, AriError> {
        self.once(self.client()?.get(self.url(path, query))).await
    }

    async fn post(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, AriError> {
        self.once(self.client()?.post(self.url(path, query))).await
    }

    async fn delete(&self, path: &[&str]) -> Result<(), AriError> {
        match self.once(self.client()?.delete(self.url(path, &[]))).await {
            Ok(_) | Err(AriError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Ari for AsteriskRest {
    fn ping(&self) -> AriAnswer<'_, ()> {
        Box::pin(async { self.get(&["asterisk", "ping"], &[]).await.map(|_| ()) })
    }

    fn has_application<'a>(&'a self, name: &'a str) -> AriAnswer<'a, bool> {
        Box::pin(async move {
            match self.get(&["applications", name], &[]).await {
                Ok(_) => Ok(true),
                Err(AriError::NotFound) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn events(&self) -> AriAnswer<'_, Box<dyn AriEvents>> {
        Box::pin(events::connect(&self.settings))
    }

    fn channels(&self) -> AriAnswer<'_, Vec<AriChannel>> {
        Box::pin(async {
            let channels = self.get(&["channels"], &[]).await?;
            let channels = channels.as_array().ok_or(AriError::Unreadable("the channels are no list"))?;
            let read = channels.iter().map(AriChannel::read).collect::<Result<_, _>>();
            read.map_err(|_| AriError::Unreadable("a channel has no id or no name"))
        })
    }

    fn bridges(&self) -> AriAnswer<'_, Vec<String>> {
        Box::pin(async {
            let bridges = self.get(&["bridges"], &[]).await?;
            let bridges = bridges.as_array().ok_or(AriError::Unreadable("the bridges are no list"))?;
            let ids = bridges.iter().map(|bridge| Some(bridge["id"].as_str()?.to_owned())).collect::<Option<_>>();
            ids.ok_or(AriError::Unreadable("a bridge has no id"))
        })
    }

    fn variable<'a>(&'a self, channel: &'a str, name: &'a str) -> AriAnswer<'a, Option<String>> {
        Box::pin(async move {
            match self.get(&["channels", channel, "variable"], &[("variable", name)]).await {
                Ok(answer) => Ok(answer["value"].as_str().map(str::to_owned).filter(|value| !value.is_empty())),
                Err(AriError::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn answer<'a>(&'a self, channel: &'a str) -> AriAnswer<'a, ()> {
        Box::pin(async move { self.post(&["channels", channel, "answer"], &[]).await.map(|_| ()) })
    }

    fn make_bridge<'a>(&'a self, bridge: &'a str) -> AriAnswer<'a, ()> {
        Box::pin(async move {
            let query = [("type", "mixing"), ("bridgeId", bridge), ("name", bridge)];
            self.post(&["bridges"], &query).await.map(|_| ())
        })
    }

    fn join<'a>(&'a self, bridge: &'a str, channel: &'a str) -> AriAnswer<'a, ()> {
        Box::pin(
            async move { self.post(&["bridges", bridge, "addChannel"], &[("channel", channel)]).await.map(|_| ()) },
        )
    }

    fn drop_bridge<'a>(&'a self, bridge: &'a str) -> AriAnswer<'a, ()> {
        Box::pin(async move { self.delete(&["bridges", bridge]).await })
    }

    fn make_media<'a>(&'a self, media: &'a MediaChannel) -> AriAnswer<'a, ()> {
        Box::pin(async move {
            let query = [
                ("app", self.settings.application.as_str()),
                ("channelId", &media.channel),
                ("external_host", &media.host),
                ("encapsulation", "audiosocket"),
                ("transport", "tcp"),
                ("format", media.format),
                ("data", &media.uuid),
            ];
            self.post(&["channels", "externalMedia"], &query).await.map(|_| ())
        })
    }

    fn place<'a>(&'a self, call: &'a NewChannel) -> AriAnswer<'a, ()> {
        Box::pin(async move {
            let ring_s = call.ring_s.to_string();
            let query = [
                ("app", self.settings.application.as_str()),
                ("channelId", &call.channel),
                ("endpoint", &call.endpoint),
                ("callerId", &call.caller),
                ("appArgs", &call.args),
                ("timeout", &ring_s),
            ];
            self.post(&["channels"], &query).await.map(|_| ())
        })
    }

    fn go_on<'a>(&'a self, channel: &'a str, to: Option<(&'a str, &'a str)>) -> AriAnswer<'a, ()> {
        Box::pin(async move {
            let query =
                to.map(|(context, extension)| vec![("context", context), ("extension", extension), ("priority", "1")]);
            let query = query.unwrap_or_default();
            self.post(&["channels", channel, "continue"], &query).await.map(|_| ())
        })
    }

    fn hang_up<'a>(&'a self, channel: &'a str) -> AriAnswer<'a, ()> {
        Box::pin(async move { self.delete(&["channels", channel]).await })
    }
}

/// Whether the request may have reached Asterisk.
fn not_answered(error: SendRequestError) -> AriError {
    match error {
        SendRequestError::Connect(error) => AriError::Unreachable(error.to_string()),
        SendRequestError::Url(error) => AriError::Unreachable(error.to_string()),
        other => AriError::NoAnswer(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_address_can_t_change_what_is_asked() {
        let rest = AsteriskRest::new(AriSettings {
            url: "https://pbx.example:8089/ari/".parse().unwrap(),
            username: "u".to_owned(),
            password: "p".into(),
            application: "trunkline".to_owned(),
            answer_within: Duration::from_secs(1),
        });
        assert_eq!(
            rest.url(&["channels", "a/../b?c", "variable"], &[("variable", "A&B=C")]),
            "https://pbx.example:8089/ari/channels/a%2F..%2Fb%3Fc/variable?variable=A%26B%3DC"
        );
        assert_eq!(rest.url(&["bridges"], &[]), "https://pbx.example:8089/ari/bridges");
    }
}
