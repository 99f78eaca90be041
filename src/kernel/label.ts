/** What a worker is called by those who send it tasks (`ACTCORE_WORKER_LABELS`, `run_on`): a pattern, and what it says in words. */
export const LABEL = "^[a-z0-9][a-z0-9._-]{0,62}$";
export const LABEL_CHARACTERS = "1 to 63 small letters, digits, '.', '_' or '-'";
