DROP TABLE call_summaries;
DROP TABLE transcript_decisions;
DROP TABLE transcripts;
DROP TABLE recording_work;
DROP TABLE recordings;
