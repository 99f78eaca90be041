#!/bin/sh
# Makes and updates Temporal's two databases; safe to run again.
set -eu
for store in temporal visibility; do
  database=temporal
  [ "$store" = temporal ] || database=temporal_visibility
  run() { temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user actcore --db "$database" "$@"; }
  update() { run update-schema --schema-name "postgresql/v12/$store"; }
  # Only a database that is not there yet needs more than the update.
  update || { run create && run setup-schema --version 0.0 && update; }
done
