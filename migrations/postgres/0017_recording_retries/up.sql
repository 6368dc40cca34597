-- How often it was tried to fetch a recording or, once it is here, to read it; and not before when it is tried again, in
-- microseconds since 1970-01-01 UTC. What is tried again later holds up nothing that can be done before.
ALTER TABLE recordings ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN retry_at BIGINT NOT NULL DEFAULT 0;

-- From now on recording_work.tries counts for the words of the call alone: for settling them, and for summing them up.
ALTER TABLE recording_work ADD COLUMN retry_at BIGINT NOT NULL DEFAULT 0;

-- A step that waits to be tried again goes on waiting, with the tries that it had.
UPDATE recordings SET
    tries = COALESCE((SELECT w.tries FROM recording_work w WHERE w.recording = recordings.id), 0),
    retry_at = COALESCE((SELECT w.next_at FROM recording_work w WHERE w.recording = recordings.id AND w.tries > 0), 0);
UPDATE recording_work SET tries = 0 WHERE recording IS NOT NULL;
UPDATE recording_work SET retry_at = next_at WHERE tries > 0;
