//! The one actor that edits businesses, and keeps the picture of them from which calls are served.
//!
//! Calls never ask the database who answers a number: they read the last [`Directory`], from memory, through
//! [`Businesses`]. The keeper makes a new one after each edit that goes through it, before it answers, and whenever the
//! database says that another node has edited: it asks for one number, every [`LOOK_EVERY`]. While the database is away
//! the last picture stays; at a start without it, the configuration's businesses are the picture, and they are written
//! to the database as soon as it is there.
//!
//! ```text
//!   EditBusiness ──▶ ┌────────┐ ──▶ database
//!                    │ keeper │ ◀── change number, every 500 ms
//!   calls ◀── Businesses ◀────┘ ──▶ Prompts: what is useless is dropped
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::actors::prompts::Prompts;
use crate::clock;
use crate::engine::business::{Business, Directory, Profile};
use crate::engine::ids::BusinessId;
use crate::store::businesses::{BusinessWriter, EditError, Editor, StoredBusiness};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};

/// How often the database is asked whether another node has edited. 500 ms: an edit counts everywhere within a second,
/// for one question that reads one row.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Edit a business. Answered once calls of this node see it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<StoredBusiness>, EditError>")]
pub struct EditBusiness {
    /// What to do.
    pub edit: Edit,
    /// Who does it: the name of a token.
    pub by: String,
}

/// What can be done to a business. A version is the one that the editor knows.
#[derive(Debug)]
pub enum Edit {
    /// Store a new one.
    Create(BusinessId, Profile),
    /// Give it another profile.
    Update(BusinessId, u32, Profile),
    /// Delete it; the answer has none.
    Delete(BusinessId, u32),
}

/// The businesses as calls see them. Cheap to clone; reading never waits.
#[derive(Clone, Debug)]
pub struct Businesses(watch::Receiver<Arc<Directory>>);

impl Businesses {
    /// All of them, at this moment.
    pub fn now(&self) -> Arc<Directory> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits until they are others than when this was last asked for; `None` when there will be no others.
    pub async fn next(&mut self) -> Option<Arc<Directory>> {
        self.0.changed().await.ok()?;
        Some(Arc::clone(&self.0.borrow_and_update()))
    }
}

/// Owns the picture of the businesses, and the writer.
pub struct BusinessKeeper {
    /// `None` while it is away, and for good if a panic took it; the next use makes another.
    writer: Option<BusinessWriter>,
    store: Store,
    seeds: Arc<[Business]>,
    known: Known,
    picture: watch::Sender<Arc<Directory>>,
    prompts: Prompts,
    telemetry: Telemetry,
}

/// How far the picture is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Whether the database has the configuration's businesses.
    is_seeded: bool,
    /// The change that the picture has seen; `None` while it is only the configuration's.
    change: Option<i64>,
}

/// What a look into the database brought.
struct Seen {
    known: Known,
    /// The businesses, if they may differ from the picture.
    businesses: Option<Vec<Business>>,
}

/// The way to the keeper, and what calls read.
#[derive(Clone, Debug)]
pub struct BusinessDesk {
    /// Where edits go.
    pub keeper: Addr<BusinessKeeper>,
    /// What calls read.
    pub businesses: Businesses,
}

impl BusinessKeeper {
    /// Looks into the database for the first time, but not for longer than `patience`, and starts.
    ///
    /// To be called where an arbiter's thread may still be held up.
    pub fn start(
        store: Store,
        seeds: Vec<Business>,
        prompts: Prompts,
        patience: Duration,
        telemetry: Telemetry,
    ) -> BusinessDesk {
        let seeds: Arc<[Business]> = seeds.into();
        let (picture, reader) = watch::channel(Arc::new(Directory::of(seeds.iter().cloned())));
        let meter = MailboxFigures::of::<Self>(&telemetry);
        let mut keeper = Self { writer: None, store, seeds, known: Known::default(), picture, prompts, telemetry };
        keeper.look_at_once(patience);
        BusinessDesk { keeper: Metered::start(keeper, meter), businesses: Businesses(reader) }
    }

    /// The first look. What takes longer than `patience` is done by the first of the others.
    fn look_at_once(&mut self, patience: Duration) {
        let (tell, told) = mpsc::sync_channel(1);
        let look = self.look();
        let started = std::thread::Builder::new().name("first-businesses".to_owned()).spawn(move || {
            tell.send(look()).ok(); // nobody waits any more: the next look will see the same
        });
        if started.is_ok()
            && let Ok((writer, seen)) = told.recv_timeout(patience)
        {
            self.seen(writer, seen);
        }
    }

    /// One look into the database, to be taken where blocking is allowed.
    fn look(&mut self) -> impl FnOnce() -> (Option<BusinessWriter>, Result<Seen, StoreError>) + Send + 'static {
        let (store, seeds, telemetry) = (self.store.clone(), Arc::clone(&self.seeds), self.telemetry.clone());
        let (mut writer, known) = (self.take_writer(), self.known);
        move || {
            let seen = guarded(|| look(&store, &mut writer, &seeds, known, &telemetry))
                .unwrap_or_else(|panic| Err(StoreError::Quarantined(panic)));
            (Some(writer), seen)
        }
    }

    fn take_writer(&mut self) -> BusinessWriter {
        self.writer.take().unwrap_or_else(|| self.store.business_writer())
    }

    fn seen(&mut self, writer: Option<BusinessWriter>, seen: Result<Seen, StoreError>) {
        self.writer = writer;
        match seen {
            Ok(Seen { known, businesses }) => {
                self.known = known;
                if let Some(businesses) = businesses {
                    self.show(businesses);
                }
            }
            // That it is away is told by the store.
            Err(error) if error.is_retryable() => {}
            Err(error) => self.telemetry.record(Event::BusinessesNotRead { error: &error.to_string() }),
        }
    }

    /// From now on calls see these.
    fn show(&mut self, businesses: Vec<Business>) {
        let directory = Arc::new(Directory::of(businesses));
        self.telemetry.record(Event::BusinessesRead { count: directory.all().len() });
        self.picture.send_replace(Arc::clone(&directory));
        self.prompts.keep_only(&directory);
    }

    fn look_again(&mut self, ctx: &mut Metered<Self>) {
        let looked = actix_rt::task::spawn_blocking(self.look());
        // One thing at a time: edits wait in the mailbox meanwhile.
        ctx.wait(looked.into_actor(self).map(|looked, this, _| match looked {
            Ok((writer, seen)) => this.seen(writer, seen),
            Err(_) => this.seen(None, Err(StoreError::Stopping)), // the blocking pool is gone, and so will we be
        }));
    }
}

/// Writes the configuration's businesses if that is still to be done, and reads all if anything has changed.
fn look(
    store: &Store,
    writer: &mut BusinessWriter,
    seeds: &[Business],
    known: Known,
    telemetry: &Telemetry,
) -> Result<Seen, StoreError> {
    if !known.is_seeded {
        let seeded = writer.seed(seeds, clock::wall_micros())?;
        for (business, number) in seeded.contested {
            let digits = number.as_str();
            let shown = &digits[digits.len().saturating_sub(2)..];
            let finding = format!(
                "business {business}: its number …{shown} is another business's by now; take it from that one by the API, or \
                 from the file"
            );
            telemetry.record(Event::ConfigWarning { finding: &finding });
        }
    }
    // The number first: what changes in between is seen by the next look.
    let change = Some(store.business_change()?);
    let known_now = Known { is_seeded: true, change };
    if change == known.change && known.is_seeded {
        return Ok(Seen { known: known_now, businesses: None });
    }
    let businesses = store.businesses()?.into_iter().map(|stored| stored.business).collect();
    Ok(Seen { known: known_now, businesses: Some(businesses) })
}

impl Actor for BusinessKeeper {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK_EVERY, Self::look_again);
    }
}

impl MeteredActor for BusinessKeeper {
    const KIND: &'static str = "business_keeper";

    /// The picture stays as it was; the next look makes it true.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {}
}

impl Handler<EditBusiness> for BusinessKeeper {
    type Result = AtomicResponse<Self, Result<Option<StoredBusiness>, EditError>>;

    /// Atomic: the next edit, and the next look, wait until this one is stored and seen.
    fn handle(&mut self, EditBusiness { edit, by }: EditBusiness, _: &mut Self::Context) -> Self::Result {
        let (store, seeds, telemetry) = (self.store.clone(), Arc::clone(&self.seeds), self.telemetry.clone());
        let (mut writer, known) = (self.take_writer(), self.known);
        let edited = actix_rt::task::spawn_blocking(move || {
            let edited = guarded(|| write(&mut writer, edit, &by))
                .unwrap_or_else(|panic| Err(StoreError::Quarantined(panic).into()));
            let seen = guarded(|| look(&store, &mut writer, &seeds, known, &telemetry))
                .unwrap_or_else(|panic| Err(StoreError::Quarantined(panic)));
            (writer, seen, edited)
        });
        AtomicResponse::new(Box::pin(edited.into_actor(self).map(|edited, this, _| match edited {
            Ok((writer, seen, edited)) => {
                this.seen(Some(writer), seen);
                edited
            }
            Err(_) => Err(StoreError::Stopping.into()),
        })))
    }
}

fn write(writer: &mut BusinessWriter, edit: Edit, by: &str) -> Result<Option<StoredBusiness>, EditError> {
    let editor = Editor { by, at: clock::wall_micros() };
    match edit {
        Edit::Create(id, profile) => writer.create(&id, &profile, editor).map(Some),
        Edit::Update(id, version, profile) => writer.update(&id, version, &profile, editor).map(Some),
        Edit::Delete(id, version) => writer.delete(&id, version, editor).map(|()| None),
    }
}

/// What `work` says, or the panic that it ended with.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        said.unwrap_or("a panic without words").to_owned()
    })
}
