//! The course of a storm on one server: ramp, hold, end; sampled each second.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use url::Url;

use super::args::Plan;
use super::caller::{CallPlan, call};
use super::figures::Figures;
use super::fleet::Fleet;
use super::process::{Cost, Process};
use super::progress::Progress;
use super::report::{Holding, Run, Stage, Window, slope};
use super::stats::Stats;
use super::vendor::Vendor;
use crate::cli::demo::twilio::FakeTwilio;
use crate::clock;

/// How long calls may take to come about, once all were begun.
const COMES_WITHIN: Duration = Duration::from_secs(20);
/// How long the server is left alone before what calls cost is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// How long all calls may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may take to give back what ended calls held, before it is looked at for the last time.
/// An ended call's actor stays for up to five seconds.
const GIVES_BACK_WITHIN: Duration = Duration::from_secs(7);
/// … where everything is to be given back: tokio keeps a thread that waits for blocking work for ten seconds.
const GIVES_BACK_ALL_WITHIN: Duration = Duration::from_secs(13);
/// How many calls a second hang up at the end.
const HANG_UPS_PER_SECOND: f64 = 100.0;
/// How long one of the short calls besides is.
const SHORT_CALL: Duration = Duration::from_secs(2);
/// After a call that failed the next one waits.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);
/// The share of the samples that are warm-up when growth is looked for.
const WARM_UP: f64 = 0.3;

/// The subject that promises something.
pub const ENGINE: &str = "engine";
/// The subject that it is compared with.
pub const FLOOR: &str = "floor";

/// What is stormed.
#[derive(Clone, Debug)]
pub struct Target {
    /// [`ENGINE`] or [`FLOOR`].
    pub subject: &'static str,
    /// Its address.
    pub url: String,
    /// The account's token.
    pub token: String,
    /// The account.
    pub account: String,
    /// Where calls are brought by AudioSocket; `None`: they are Twilio's.
    pub audiosocket: Option<SocketAddr>,
    /// Its process, if it is to be measured.
    pub process: Option<Process>,
}

/// Storms a server. Needs a `LocalSet`.
pub async fn storm(
    plan: &Plan,
    target: &Target,
    vendor: Option<Rc<Vendor>>,
    stats: Rc<RefCell<Stats>>,
    progress: &mut Progress,
) -> anyhow::Result<Run> {
    let address = address(&target.url)?;
    let carrier = FakeTwilio::new(&target.url, &target.token, &target.account)?.through(address);
    let place = (carrier, target.token.clone(), target.audiosocket.unwrap_or(address));
    let fleet =
        Fleet::new(place, (plan.talk.clone(), plan.audio), vendor, Rc::clone(&stats), target.audiosocket.is_some());
    let ticks = tokio::task::spawn_local(Rc::clone(&fleet).run());
    let crowd = Rc::new(Crowd {
        fleet: Rc::clone(&fleet),
        call: CallPlan { length: plan.call_length, is_measured: true },
        left: Cell::new(plan.total),
        busy: Cell::new(0),
    });
    let mut course = Course { plan, target, address, fleet, crowd, progress, samples: Vec::new() };
    if plan.total.is_some() {
        course.warm_up().await;
    }
    let before = course.holding().await;
    let mut run = Run { subject: target.subject, ..Run::default() };
    let mut size = 0;
    for &calls in &plan.stages {
        course.ramp(size, calls).await;
        run.stages.push(course.hold(calls, 0.0).await);
        if plan.starts_per_second > 0.0 {
            run.stages.push(course.hold(calls, plan.starts_per_second).await);
        }
        size = calls;
    }
    course.end().await;
    if let Some(last) = run.stages.last_mut() {
        last.add_end(&stats.take());
    }
    run.kib_per_call = run.slope(before.map(|before| before.process)).filter(|_| plan.total.is_none());
    run.leak_kib_per_call = plan.total.and_then(|_| course.growth());
    run.before_and_after = before.zip(course.holding().await);
    // The floor is what the engine is compared with; it promises nothing.
    if target.subject == ENGINE {
        run.promises = plan.slo.judge(&run);
    }
    ticks.abort();
    Ok(run)
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let parsed = Url::parse(url).with_context(|| format!("--url {url:?}"))?;
    let host = parsed.host_str().context("--url has no host")?.trim_matches(['[', ']']);
    let port = parsed.port_or_known_default().context("--url has no port")?;
    let mut found = (host, port).to_socket_addrs().with_context(|| format!("--url {url:?}"))?;
    found.next().ok_or_else(|| anyhow!("--url {url:?}: there is no such host"))
}

/// The callers who call again and again.
struct Crowd {
    fleet: Rc<Fleet>,
    call: CallPlan,
    /// How many calls may still begin, if there is a limit.
    left: Cell<Option<u64>>,
    /// How many callers there are.
    busy: Cell<usize>,
}

impl Crowd {
    fn may_begin(&self) -> bool {
        if self.fleet.is_ending() {
            return false;
        }
        match self.left.get() {
            None => true,
            Some(0) => false,
            Some(left) => {
                self.left.set(Some(left - 1));
                true
            }
        }
    }

    async fn caller(self: Rc<Self>, begins: Duration) {
        self.busy.set(self.busy.get() + 1);
        tokio::time::sleep(begins).await;
        while self.may_begin() {
            // One who was refused calls again, as one whose call failed does, but not at once.
            if !call(Rc::clone(&self.fleet), self.call).await {
                tokio::time::sleep(AFTER_A_FAILURE).await;
            }
        }
        self.busy.set(self.busy.get() - 1);
    }
}

struct Course<'a> {
    plan: &'a Plan,
    target: &'a Target,
    address: SocketAddr,
    fleet: Rc<Fleet>,
    crowd: Rc<Crowd>,
    progress: &'a mut Progress,
    /// Calls that were over, and the server's memory, each second.
    samples: Vec<(f64, f64)>,
}

/// What was used up to a moment.
struct Mark {
    at: Instant,
    call_time: Duration,
    engine: Option<Cost>,
    storm: Duration,
}

impl Mark {
    /// What was used since an earlier one.
    fn since(&self, begin: &Self) -> Window {
        Window {
            length: self.at - begin.at,
            call_time: self.call_time - begin.call_time,
            engine: self.engine.zip(begin.engine).map(|(end, begin)| (end.cpu.saturating_sub(begin.cpu), end)),
            storm: self.storm.saturating_sub(begin.storm),
            ..Window::default()
        }
    }
}

impl Course<'_> {
    /// One call, so that what is made once, with the first of them, is there.
    async fn warm_up(&self) {
        call(Rc::clone(&self.fleet), CallPlan { length: Some(SHORT_CALL), is_measured: false }).await;
        tokio::time::sleep(GIVES_BACK_ALL_WITHIN).await;
        self.fleet.stats.take();
    }

    /// Lets more callers call, until all of them do.
    async fn ramp(&mut self, from: usize, calls: usize) {
        let each = self.plan.ramp.div_f64((calls - from).max(1) as f64);
        for number in 0..calls - from {
            tokio::task::spawn_local(Rc::clone(&self.crowd).caller(each * number as u32));
        }
        let deadline = clock::now() + self.plan.ramp + COMES_WITHIN;
        let ramp_ends = clock::now() + self.plan.ramp;
        while clock::now() < deadline && (self.fleet.live.get() < calls || clock::now() < ramp_ends) {
            self.second(calls).await;
            if self.plan.total.is_some() && self.crowd.left.get() == Some(0) {
                break;
            }
        }
    }

    /// Holds the calls, with so many short ones that begin each second besides.
    async fn hold(&mut self, calls: usize, starts_per_second: f64) -> Stage {
        let others = (starts_per_second > 0.0)
            .then(|| tokio::task::spawn_local(short_calls(Rc::clone(&self.fleet), starts_per_second)));
        tokio::time::sleep(if others.is_some() { SHORT_CALL } else { SETTLE }).await;
        if self.plan.starts_per_second > 0.0 {
            // With and without short calls are compared: what came while all calls began belongs to neither.
            let mut stats = self.fleet.stats.borrow_mut();
            (stats.gap, stats.lateness) = Default::default();
        }
        let (begin, figures) = (self.mark(), Figures::read(self.address).await);
        let threads = self.threads();
        let held_until = clock::now() + self.plan.hold;
        while if self.plan.total.is_some() { self.crowd.busy.get() > 0 } else { clock::now() < held_until } {
            self.second(calls).await;
        }
        let mut window = self.mark().since(&begin);
        for (name, time) in self.threads() {
            let before = threads.get(&name).copied().unwrap_or_default();
            window.threads.insert(name, time.saturating_sub(before));
        }
        let now = Figures::read(self.address).await;
        window.tick_lateness = now.zip(figures).and_then(|(now, before)| now.lateness_since(&before));
        if let Some(others) = others {
            others.abort();
        }
        Stage { starts_per_second, ..Stage::new(calls, &self.fleet.stats.take(), &window) }
    }

    /// Lets a second pass, and tells of it.
    async fn second(&mut self, calls: usize) {
        let begin = self.mark();
        tokio::time::sleep(Duration::from_secs(1).min(self.plan.hold.max(Duration::from_millis(100)))).await;
        let window = self.mark().since(&begin);
        let stats = self.fleet.stats.borrow();
        if let Some((_, engine)) = window.engine {
            self.samples.push((stats.completed as f64, engine.rss_kib as f64));
        }
        self.progress.tell(self.target.subject, self.fleet.live.get(), &Stage::new(calls, &stats, &window));
    }

    /// Everybody hangs up, not all at once.
    async fn end(&mut self) {
        let within = Duration::from_secs_f64(self.fleet.live.get() as f64 / HANG_UPS_PER_SECOND);
        self.fleet.end(within);
        let deadline = clock::now() + within + ENDS_WITHIN;
        while clock::now() < deadline && (self.fleet.live.get() > 0 || self.crowd.busy.get() > 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if self.target.process.is_some() {
            let gives_back = if self.plan.total.is_some() { GIVES_BACK_ALL_WITHIN } else { GIVES_BACK_WITHIN };
            tokio::time::sleep(gives_back).await;
        }
    }

    /// What the server holds now.
    async fn holding(&self) -> Option<Holding> {
        let figures = Figures::read(self.address).await.unwrap_or_default();
        // The connection that just told is closed a moment later.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Some(Holding::new(self.target.process?.cost()?, &figures))
    }

    fn threads(&self) -> BTreeMap<String, Duration> {
        self.target.process.map(Process::threads).unwrap_or_default()
    }

    fn mark(&self) -> Mark {
        Mark {
            at: clock::now(),
            call_time: self.fleet.call_time.get(),
            engine: self.target.process.and_then(Process::cost),
            storm: Process::own().cost().unwrap_or_default().cpu,
        }
    }

    fn growth(&self) -> Option<f64> {
        let warm = (self.samples.len() as f64 * WARM_UP) as usize;
        slope(&self.samples[warm..])
    }
}

/// Short calls that begin in even distances, as long as they are let.
async fn short_calls(fleet: Rc<Fleet>, per_second: f64) {
    let plan = CallPlan { length: Some(SHORT_CALL), is_measured: false };
    let mut due = clock::now();
    loop {
        due += Duration::from_secs_f64(1.0 / per_second);
        tokio::time::sleep_until(due.into()).await;
        tokio::task::spawn_local(call(Rc::clone(&fleet), plan));
    }
}
