//! The telephone of these tests: a call, spoken in virtual time.

use super::*;

pub struct TestCall {
    machine: CallMachine,
    pub now: CallTime,
    pub log: Vec<Output>,
}

impl TestCall {
    pub fn ringing() -> Self {
        Self { machine: CallMachine::new(CallSettings::default()), now: CallTime::START, log: Vec::new() }
    }

    pub fn greeted() -> Self {
        Self::greeted_with(CallSettings::default())
    }

    /// The vendor's agent has greeted, and the greeting was heard.
    pub fn greeted_with(settings: CallSettings) -> Self {
        let mut call = Self { machine: CallMachine::new(settings), now: CallTime::START, log: Vec::new() };
        call.tell(Input::Answered).tell(Input::AgentReady { detects_turns: true });
        call.agent_speaks(R1, "Good morning.", 900).is_heard(R1);
        call
    }

    pub fn tell(&mut self, input: Input) -> &mut Self {
        self.machine.handle(self.now, input, &mut self.log);
        self
    }

    pub fn after(&mut self, millis: u32) -> &mut Self {
        self.now = self.now + ms(millis);
        self
    }

    pub fn run_to_deadline(&mut self) -> &mut Self {
        self.now = self.machine.next_deadline().expect("something is due").max(self.now);
        self.tell(Input::Deadline)
    }

    pub fn caller_starts(&mut self, by: Detector) -> &mut Self {
        self.tell(Input::CallerSpeechStarted { by, ago: Duration::ZERO })
    }

    pub fn caller_stops(&mut self, by: Detector) -> &mut Self {
        self.tell(Input::CallerSpeechEnded { by, ago: Duration::ZERO })
    }

    pub fn caller_says(&mut self, words: &str) -> &mut Self {
        self.after(500).caller_starts(Detector::Vendor).after(900).caller_stops(Detector::Vendor);
        self.tell(Input::CallerText { text: words.into(), confidence: None })
    }

    /// The response is generated ahead of real time and goes on.
    pub fn agent_speaks_on(&mut self, response: ResponseId, words: &str, millis: u32) -> &mut Self {
        self.tell(Input::ResponseStarted(response));
        self.tell(Input::AgentText { response, text: words.into() });
        self.tell(Input::AgentAudio { response, length: ms(millis) });
        self.tell(Input::PlayoutStarted(response))
    }

    /// … and is all there.
    pub fn agent_speaks(&mut self, response: ResponseId, words: &str, millis: u32) -> &mut Self {
        self.agent_speaks_on(response, words, millis)
    }

    pub fn hears(&mut self, response: ResponseId, millis: u32) -> &mut Self {
        self.tell(Input::MarkSent(mark(response, millis, false))).after(millis);
        self.tell(Input::MarkHeard(mark(response, millis, false)))
    }

    pub fn is_heard(&mut self, response: ResponseId) -> &mut Self {
        let length = self.machine.ledger.get(response).expect("the response is open").received;
        let whole = mark(response, length.as_millis() as u32, true);
        self.tell(Input::ResponseEnded { response, outcome: ResponseOutcome::Completed });
        self.tell(Input::MarkSent(whole)).after(length.as_millis() as u32).tell(Input::MarkHeard(whole))
    }

    pub fn clear_log(&mut self) -> &mut Self {
        self.log.clear();
        self
    }

    pub fn said(&self) -> &[Output] {
        &self.log
    }

    pub fn count(&self, output: &Output) -> usize {
        self.log.iter().filter(|said| *said == output).count()
    }

    pub fn asked(&self) -> Vec<(ResponseId, Ask)> {
        let asked = |output: &Output| match output {
            Output::AskAgent { response, ask } => Some((*response, ask.clone())),
            _ => None,
        };
        self.log.iter().filter_map(asked).collect()
    }

    pub fn has_said(&self, phrase: Phrase) -> bool {
        self.log.iter().any(|output| matches!(output, Output::Say { phrase: said, .. } if *said == phrase))
    }

    pub fn phrase(&self, phrase: Phrase) -> ResponseId {
        let said = |output: &Output| match output {
            Output::Say { response, phrase: said } if *said == phrase => Some(*response),
            _ => None,
        };
        self.log.iter().find_map(said).expect("the phrase was said")
    }

    /// Stored turns; `|` stands where the caller stopped hearing.
    pub fn turns(&self) -> Vec<String> {
        let turn = |output: &Output| match output {
            Output::StoreTurn(turn) => {
                let unheard = &turn.text[turn.heard_text.len()..];
                let bar = if unheard.is_empty() { "" } else { "|" };
                Some(format!("{}: {}{bar}{unheard}", turn.speaker.as_str(), turn.heard_text))
            }
            _ => None,
        };
        self.log.iter().filter_map(turn).collect()
    }

    pub fn ended(&self) -> Option<HangupCause> {
        self.log.iter().find_map(|output| match output {
            Output::EndCall { cause, .. } => Some(*cause),
            _ => None,
        })
    }
}

pub fn mark(response: ResponseId, position_ms: u32, is_last: bool) -> Mark {
    Mark { response, position_ms, is_last }
}

pub fn tool(tool: Tool) -> Input {
    Input::ToolCalled(ToolCall { call_id: "t1".into(), response: None, tool })
}

pub fn hang_up_tool(response: ResponseId) -> Input {
    Input::ToolCalled(ToolCall { call_id: "t1".into(), response: Some(response), tool: Tool::HangUp })
}
