DROP INDEX calls_by_to;
DROP INDEX calls_by_from;
DROP INDEX calls_by_business;
DROP INDEX calls_by_time;
CREATE INDEX calls_by_time ON calls (created_at);
DROP TABLE api_tokens;
