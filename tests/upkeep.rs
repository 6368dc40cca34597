//! What docs/deployment.md says of backup, restore and upgrade, done as it says.

#[path = "support/postgres.rs"]
#[cfg(feature = "postgres")]
mod postgres;
#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use program::{Running, trunkline};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
const CALL: &str = "CA00000000000000000000000000000001";

/// A call as the first schema had it, which ended long ago.
const OLD_CALL: &str = "INSERT INTO calls (call_sid, status, duration_s, direction, direction_rank, created_at, ended_at, updated_at) \
     VALUES ('CA00000000000000000000000000000001', 'completed', 61, 'inbound', 1, 1700000000000000, 1700000061000000, 1700000061000000); \
     INSERT INTO turns (call_sid, number, speaker, text, heard_text, started_ms, ended_ms, interrupted) \
     VALUES ('CA00000000000000000000000000000001', 1, 'caller', 'Two rolls, please.', 'Two rolls, please.', 1000, 2500, {false})";

/// The shell commands of the guide's section, in order.
fn commands(section: &str) -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deployment.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let section = guide.split_once(&format!("\n## {section}\n")).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    section.split("```").skip(1).step_by(2).map(|block| block.strip_prefix("sh\n").unwrap().to_owned()).collect()
}

fn run(command: &str, folder: &Path, variables: &HashMap<&str, &str>) {
    let script = format!("set -e\n{command}");
    let done = Command::new("sh").args(["-c", &script]).current_dir(folder).envs(variables).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
}

fn serve(data: &Path, database: Option<&str>) -> Running {
    let program = trunkline(&["serve", "--listen", "127.0.0.1:0"])
        .env("TRUNKLINE__DATA_DIR", data.to_str().unwrap())
        .env("TRUNKLINE_ADMIN_TOKEN", TOKEN);
    database.into_iter().fold(program, |program, url| program.env("DATABASE_URL", url)).listens()
}

/// What the interface says of the call.
fn call(service: &Running) -> serde_json::Value {
    let (status, body) =
        service.get_with(&format!("/api/v1/calls/{CALL}"), &format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn assert_is_the_old_call(service: &Running) {
    let found = call(service);
    let row = &found["call"];
    assert_eq!((row["status"].as_str(), row["duration_s"].as_u64()), (Some("completed"), Some(61)), "{found:#}");
    assert!(found.to_string().contains("Two rolls, please."), "{found:#}");
}

/// The first schema only, with a call in it.
fn first_schema_of_sqlite(file: &Path) {
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let all = FileBasedMigrations::from_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite")).unwrap();
    conn.run_next_migration(all).unwrap();
    conn.batch_execute(&OLD_CALL.replace("{false}", "0")).unwrap();
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    first_schema_of_sqlite(&folder.path().join("trunkline.db"));
    let service = serve(folder.path(), None);
    assert_is_the_old_call(&service);
    assert_eq!(service.stops().code, 0);
}

#[test]
fn a_backup_of_sqlite_taken_from_a_running_service_is_restored() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        return skip::skipped("the backup of SQLite: sqlite3 is missing");
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::create_dir(folder.path().join("backup")).unwrap();
    first_schema_of_sqlite(&data.join("trunkline.db"));
    let service = serve(&data, None);
    std::fs::write(data.join("recordings/a.wav"), "sound").unwrap();
    let commands = commands("Backup and restore");
    let [back_up, restore, ..] = commands.as_slice() else { panic!("{commands:?}") };
    run(back_up, folder.path(), &HashMap::new());
    service.stops();
    std::fs::remove_dir_all(&data).unwrap();

    run(restore, folder.path(), &HashMap::new());
    let restored = folder.path().join("restored");
    assert_eq!(std::fs::read_to_string(restored.join("recordings/a.wav")).unwrap(), "sound");
    let service = serve(&restored, None);
    assert_is_the_old_call(&service);
    assert_eq!(service.stops().code, 0);
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgres_of_the_first_schema_is_brought_up_to_date_backed_up_and_restored() {
    let Some(server) = postgres::Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let old = server.new_database();
    {
        let mut conn = diesel::PgConnection::establish(&old).unwrap();
        let all =
            FileBasedMigrations::from_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres")).unwrap();
        conn.run_next_migration(all).unwrap();
        conn.batch_execute(&OLD_CALL.replace("{false}", "false")).unwrap();
    }
    let service = serve(&folder.path().join("data"), Some(&old));
    assert_is_the_old_call(&service);
    let commands = commands("Backup and restore");
    let [_, _, back_up, restore] = commands.as_slice() else { panic!("{commands:?}") };
    run(back_up, folder.path(), &HashMap::from([("DATABASE_URL", old.as_str())]));
    service.stops();

    let new = server.new_database();
    run(restore, folder.path(), &HashMap::from([("DATABASE_URL", new.as_str())]));
    let service = serve(&folder.path().join("elsewhere"), Some(&new));
    assert_is_the_old_call(&service);
    assert_eq!(service.stops().code, 0);
}
