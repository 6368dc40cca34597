DROP TABLE media_claims;
DROP TABLE call_ends;
DROP TABLE call_events;
DROP TABLE turns;
DROP TABLE status_events;
DROP TABLE calls;
