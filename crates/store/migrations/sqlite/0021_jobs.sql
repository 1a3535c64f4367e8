-- Mails are one kind of work that follows a change and waits until it is done. The constraint keeps its name of before.

ALTER TABLE mails RENAME TO jobs;
DROP INDEX mails_by_time;
DROP INDEX mails_of_user;
CREATE INDEX jobs_by_time ON jobs (due_at);
CREATE INDEX jobs_of_user ON jobs (user_id);
