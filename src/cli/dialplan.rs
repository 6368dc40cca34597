//! `trunkline dialplan`: what an Asterisk's dialplan needs so that its calls come here.

use std::process::ExitCode;

use crate::cli::out::Out;
use crate::cli::{DialplanArgs, load_config};
use crate::config::Config;

/// Prints the snippet for the configuration that `serve` would use.
pub fn run(args: &DialplanArgs) -> ExitCode {
    let (config, _) = match load_config(&args.config.sources()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    Out::stdout().text(match config.asterisk.ari.url {
        Some(_) => steered(&config),
        None => snippet(&config),
    });
    if !config.asterisk.audiosocket.enabled {
        let mut out = Out::stderr();
        out.line("warning: asterisk.audiosocket.enabled is false: nobody listens there");
        out.line("  give true in the file that --config names, or TRUNKLINE__ASTERISK__AUDIOSOCKET__ENABLED=true");
    }
    ExitCode::SUCCESS
}

fn snippet(config: &Config) -> String {
    let own = &config.asterisk.audiosocket;
    let socket = own.reached_at(own.listen);
    format!(
        "; extensions.conf. Needs the modules res_audiosocket, app_audiosocket and func_uuid; for wide calls chan_audiosocket.
; Send calls here with Goto(trunkline,s,1), or include this context where they come in.
[trunkline]
exten => s,1,Answer()
 same => n,AudioSocket(${{UUID()}},{socket})
 same => n,Hangup()
exten => _[+0-9].,1,Goto(s,1)

; The same in wideband, for callers whose codec is wider than the telephone's (Asterisk 20.17, 22.7, 23.1 and later):
; slin16, slin24 or slin48.
[trunkline-wide]
exten => s,1,Answer()
 same => n,Dial(AudioSocket/{socket}/${{UUID()}}/c(slin16))
 same => n,Hangup()
exten => _[+0-9].,1,Goto(s,1)
"
    )
}

/// Where calls are steered by ARI.
fn steered(config: &Config) -> String {
    let own = &config.asterisk.ari;
    let (app, user) = (&own.app, &own.username);
    let transfer = match own.transfer_context.as_str() {
        "" => String::new(),
        context => format!(
            "
; Callers who are handed over come here, to the number as the extension: dial it as your PBX does.
[{context}]
exten => _+X.,1,Dial(PJSIP/${{EXTEN}}@trunk)
 same => n,Hangup()
"
        ),
    };
    format!(
        "; extensions.conf. Needs the modules res_stasis, app_stasis, res_ari with its parts, res_audiosocket and chan_audiosocket.
; Send calls here with Goto(trunkline,${{EXTEN}},1), or include this context where they come in. What stands behind Stasis() is
; for callers whom the service does not take, or while it is away.
[trunkline]
exten => _[+0-9a-z].,1,NoOp()
; same => n,Set(AI_AGENT=a business)
; same => n,Set(AI_PROVIDER=a voice agent)
; same => n,Set(AI_GREETING=the first words)
 same => n,Stasis({app})
 same => n,Hangup()
{transfer}
; ari.conf, beside [general] with enabled = yes; http.conf needs enabled = yes, too.
; [{user}]
; type = user
; password = what ASTERISK_ARI_PASSWORD holds
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snippet_names_the_socket_by_which_the_pbx_reaches_it() {
        let mut config = Config::default();
        assert!(snippet(&config).contains(",AudioSocket(${UUID()},127.0.0.1:8090)\n"));
        config.asterisk.audiosocket.listen = "0.0.0.0:9000".parse().unwrap();
        assert!(snippet(&config).contains("Dial(AudioSocket/127.0.0.1:9000/${UUID()}/c(slin16))"));
        config.asterisk.audiosocket.listen = "[::1]:9000".parse().unwrap();
        assert!(snippet(&config).contains(",AudioSocket(${UUID()},[::1]:9000)\n"));
        config.asterisk.audiosocket.advertise = "trunkline.lan:8090".to_owned();
        assert!(snippet(&config).contains(",AudioSocket(${UUID()},trunkline.lan:8090)\n"));
    }

    #[test]
    fn where_calls_are_steered_the_snippet_names_application_user_and_context() {
        let mut config = Config::default();
        config.asterisk.ari.app = "node-1".to_owned();
        let printed = steered(&config);
        assert!(printed.contains(" same => n,Stasis(node-1)\n") && printed.contains("; [trunkline]\n"), "{printed}");
        assert!(!printed.contains("Dial("));
        config.asterisk.ari.transfer_context = "colleagues".to_owned();
        assert!(steered(&config).contains("\n[colleagues]\nexten => _+X.,1,Dial("));
    }
}
