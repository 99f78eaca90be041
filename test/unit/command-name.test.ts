/** What activities are called that an import makes of commands. */
import { expect, test } from "bun:test";
import { nameCommand } from "../../src/import/command-name.ts";

test.each([
  ["/usr/local/bin/backup.sh --all > /dev/null 2>&1", "backup"],
  ["cd /var/www/shop && php artisan schedule:run >> /dev/null 2>&1", "php-artisan-schedule-run"],
  ["php /srv/cloud/cron.php", "cron"],
  ["cd / && run-parts --report /etc/cron.hourly", "run-parts-cron.hourly"],
  ["test -x /usr/bin/certbot -a \\! -d /run && perl -e 'sleep int(rand(43200))' && certbot -q renew", "certbot-renew"],
  ["[ -x /usr/sbin/dma ] && /usr/sbin/dma -q", "dma"],
  ["if [ -x /usr/sbin/backupninja ]; then /usr/sbin/backupninja; fi", "backupninja"],
  ["/usr/bin/flock -n /tmp/sync.lock /usr/bin/python3 -u /opt/sync/nightly.py", "nightly"],
  ["python3 -m shop.tasks.report daily", "shop.tasks.report-daily"],
  ["FOO=1 BAR='a b' sudo -u www-data nice -n 19 /srv/clean", "clean"],
  ["timeout 5m bash -c 'cd /srv && ./deploy.sh now'", "deploy-now"],
  ['/usr/bin/env bash -lc "rake db:vacuum"', "rake-db-vacuum"],
  ["docker system prune -af --filter 'until=168h'", "docker-system-prune"],
  ["pg_dump -Fc app | gzip > /backup/app.gz", "pg-dump-app"],
  ["sleep 5", "sleep"],
  ["~/bin/Übersicht.PY", "ubersicht"],
  ["'", "command"],
  ["", "command"],
  [`/opt/${"x".repeat(200)}`, "x".repeat(60)],
])("%j is called %s", (command, name) => {
  expect(nameCommand(command)).toBe(name);
});
