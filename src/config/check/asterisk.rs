//! What must hold before calls come from a PBX.

use super::{Findings, is_loopback, is_network};

impl Findings<'_> {
    /// Who may bring calls from a PBX.
    pub(super) fn audiosocket(&mut self) {
        let own = &self.config.asterisk.audiosocket;
        for text in own.allowed().filter(|text| !is_network(text)) {
            let remedy = "give networks as in 10.0.0.0/8 and addresses, separated by commas";
            self.error("asterisk.audiosocket.allow", format!("{text:?} is no network and no address"), remedy);
        }
        let advertised = own.advertise.trim();
        let has_port = advertised
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0));
        let is_plain = advertised.bytes().all(|byte| byte.is_ascii_graphic() && !b",()".contains(&byte));
        if !(advertised.is_empty() || has_port && is_plain) {
            let remedy = "give a host and a port as in trunkline.lan:8090, or leave it empty";
            self.error("asterisk.audiosocket.advertise", format!("{advertised:?} is no host with a port"), remedy);
        }
        if own.enabled && !own.listen.ip().is_loopback() && own.allowed().any(|text| text.ends_with("/0")) {
            let problem = "lets everybody who reaches the socket place calls";
            self.warning("asterisk.audiosocket.allow", problem, "name the addresses of your PBX");
        }
    }

    /// How the PBX is steered.
    pub(super) fn ari(&mut self) {
        let (own, audio) = (&self.config.asterisk.ari, &self.config.asterisk.audiosocket);
        let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        for (path, name, may_be_empty) in [
            ("asterisk.ari.username", &own.username, false),
            ("asterisk.ari.app", &own.app, false),
            ("asterisk.ari.transfer_context", &own.transfer_context, true),
        ] {
            if !is_name(name) || name.is_empty() && !may_be_empty {
                self.error(path, format!("{name:?} is no name"), "give letters, digits, - _ and . only");
            }
        }
        let is_dial_plain = own.dial.bytes().all(|byte| byte.is_ascii_graphic());
        let is_dial = own.dial.contains("{number}") && own.dial.contains('/') && is_dial_plain;
        if !own.dial.is_empty() && !is_dial {
            let remedy = "give a technology and a number without spaces, as in PJSIP/{number}@trunk, or leave it empty";
            self.error("asterisk.ari.dial", format!("{:?} is nothing that can be dialled", own.dial), remedy);
        }
        let Some(url) = &own.url else { return };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || url.query().is_some() {
            let remedy = "give an address as in http://127.0.0.1:8088/ari";
            self.error("asterisk.ari.url", "is no http:// or https:// address", remedy);
        } else if url.scheme() == "http" && !is_loopback(url) {
            let problem = "is http://: the password travels where others can read it";
            self.warning("asterisk.ari.url", problem, "give an https:// address, or keep it in a network of its own");
        }
        if !url.username().is_empty() || url.password().is_some() {
            let remedy = "leave it out; asterisk.ari.username and ASTERISK_ARI_PASSWORD are for that";
            self.error("asterisk.ari.url", "holds a user or a password", remedy);
        }
        if own.password.is_none() {
            let remedy =
                "set the variable ASTERISK_ARI_PASSWORD or ASTERISK_ARI_PASSWORD_FILE, or leave out asterisk.ari.url";
            self.error("asterisk.ari.password", "is not set, and asterisk.ari.url is", remedy);
        }
        if !audio.enabled {
            let remedy = "give true, or leave out asterisk.ari.url";
            self.error("asterisk.audiosocket.enabled", "is false, and calls by asterisk.ari.url need it", remedy);
        }
    }
}
