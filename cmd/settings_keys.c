/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a configuration, and how values are checked. */
#include "settings_keys.h"

#include <stdlib.h>
#include <string.h>

#include "budget_option.h"
#include "core/text.h"
#include "duration.h"
#include "notify_settings.h"
#include "postgres/postgres.h"
#include "rate_option.h"
#include "service/schedule.h"

/* ---- values ---- */

static bool
is_absolute(const char *text)
{
    return text[0] == '/';
}

static bool
is_address(const char *text)
{
    return text[0] == '/' || strncmp(text, "sftp://", 7) == 0;
}

static bool
is_size(const char *text)
{
    uint64_t size;

    return vv_text_parse_size(text, &size);
}

static bool
is_duration(const char *text)
{
    int64_t ns;

    return duration_parse(text, &ns) && ns > 0;
}

static bool
is_jitter(const char *text)
{
    int64_t ns;

    return duration_parse(text, &ns);
}

static bool
is_schedule(const char *text)
{
    struct schedule schedule;

    return schedule_parse(text, &schedule, NULL) == VV_OK;
}

static bool
is_seconds(const char *text)
{
    uint64_t ns;

    return seconds_parse(text, &ns);
}

static bool
is_time_of_day(const char *text)
{
    unsigned minute;

    return time_of_day_parse(text, &minute);
}

static bool
is_number_up_to(const char *text, unsigned long most)
{
    char *end = NULL;
    unsigned long n = text[0] >= '1' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;

    return n >= 1 && n <= most && *end == '\0';
}

static bool
is_days(const char *text)
{
    return is_number_up_to(text, 65535);
}

static bool
is_count(const char *text)
{
    return strcmp(text, "all") == 0 || is_number_up_to(text, 1000000);
}

static bool
is_level(const char *text)
{
    return strcmp(text, "off") == 0 || is_number_up_to(text, 19);
}

static bool
is_rate(const char *text)
{
    struct replicate_rate rate;

    return rate_option_parse(text, &rate, NULL) == VV_OK;
}

static bool
is_budget(const char *text)
{
    struct read_budget budget;

    return budget_option_parse(text, &budget, NULL) == VV_OK;
}

static bool
is_transport(const char *text)
{
    return strcmp(text, "auto") == 0 || strcmp(text, "libssh2") == 0 || strcmp(text, "ssh") == 0;
}

/* "job:..." is what 'varve run' knows a job's snapshots by. */
static bool
is_tag(const char *text)
{
    return strncmp(text, "job:", 4) != 0;
}

/* "NAME=COMMAND" */
static bool
is_command(const char *text)
{
    const char *equals = strchr(text, '=');

    return equals != NULL && equals > text && text[0] != '/' && equals[1] != '\0';
}

/* "postgres://..." or "NAME=postgres://...", without a password */
static bool
is_database(const char *text)
{
    const char *url = postgres_url_of(text);

    return url != NULL && (!postgres_available() || postgres_target_check(url, NULL) == VV_OK);
}

/* ---- keys ---- */

#define DURATION .check = is_duration, .wanted = "a duration such as 26h, 30d, 1y6w"
#define COUNT .check = is_count, .value = "N", .wanted = "1 to 1000000, or all"

static const struct settings_key repository_keys[] = {
    {.name = "url",
     .required = true,
     .check = is_address,
     .value = "/var/backups/varve",
     .wanted = "an absolute path or sftp://[USER@]HOST[:PORT]/PATH",
     .help = "where it is: an absolute path, or sftp://[USER@]HOST[:PORT]/PATH"},
    {.name = "key-file",
     .kind = SETTINGS_SECRET,
     .value = "/etc/varve/key",
     .help = "open it with this key file"},
    {.name = "passphrase-file",
     .kind = SETTINGS_SECRET,
     .value = "/etc/varve/passphrase",
     .help = "or with the passphrase in this file"},
    {.name = "passphrase-command",
     .value = "COMMAND",
     .help = "or with the passphrase that this command prints"},
    {.name = "replica",
     .kind = SETTINGS_REFERENCE,
     .list = true,
     .refers = "repository",
     .value = "NAME",
     .help = "another repository that damaged or missing data may come from"},
    {.name = "ssh-transport",
     .check = is_transport,
     .value = "auto",
     .wanted = "auto, libssh2 or ssh",
     .help = "how an sftp host is reached: auto, libssh2 or ssh"},
    {.name = "ssh-command", .value = "COMMAND", .help = "the ssh to run, with its arguments"},
    {.name = "ssh-identity",
     .kind = SETTINGS_SECRET,
     .value = "/etc/varve/id_ed25519",
     .help = "log in with this key"},
    {.name = "ssh-passphrase-file",
     .kind = SETTINGS_SECRET,
     .value = "FILE",
     .help = "the passphrase of that key"},
    {.name = "ssh-passphrase-command", .value = "COMMAND", .help = "or the command that prints it"},
    {.name = "known-hosts",
     .check = is_absolute,
     .value = "/etc/varve/known_hosts",
     .wanted = "an absolute path",
     .help = "the keys of hosts"},
    {.name = "host-key-fingerprint", .value = "SHA256:...", .help = "the only host key to accept"},
    {0},
};

static const struct settings_key job_keys[] = {
    {.name = "repository",
     .kind = SETTINGS_REFERENCE,
     .required = true,
     .refers = "repository",
     .value = "NAME",
     .help = "where to back up to"},
    {.name = "path",
     .list = true,
     .check = is_absolute,
     .value = "/srv",
     .wanted = "an absolute path",
     .help = "a file or directory to back up"},
    {.name = "database",
     .list = true,
     .discreet = true,
     .check = is_database,
     .value = "postgres://backup@db/",
     .wanted = "a database such as postgres://backup@db/ (without a password: that belongs into "
               "~/.pgpass)",
     .help = "a PostgreSQL server to back up"},
    {.name = "exec",
     .list = true,
     .check = is_command,
     .value = "NAME=COMMAND",
     .wanted = "NAME=COMMAND",
     .help = "store the output of a command as the file NAME"},
    {.name = "exclude",
     .list = true,
     .value = "PATTERN",
     .help = "leave out what matches, as in gitignore; '!' takes in again"},
    {.name = "exclude-from",
     .list = true,
     .check = is_absolute,
     .value = "/etc/varve/excludes",
     .wanted = "an absolute path",
     .help = "patterns from a file, one a line"},
    {.name = "exclude-caches",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "leave out what is in directories with a CACHEDIR.TAG"},
    {.name = "exclude-larger-than",
     .check = is_size,
     .value = "1G",
     .wanted = "a size such as 64M, 1.5GiB",
     .help = "leave out larger files"},
    {.name = "one-file-system",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "stay on the file system of each path"},
    {.name = "may-change",
     .list = true,
     .value = "PATTERN",
     .help = "files that may change or vanish meanwhile without that being a problem"},
    {.name = "tag",
     .list = true,
     .check = is_tag,
     .value = "TAG",
     .wanted = "a tag one may choose: those with job: say which job made a snapshot",
     .help = "attach a word to the snapshots"},
    {.name = "compression",
     .check = is_level,
     .value = "3",
     .wanted = "1 to 19, or off",
     .help = "1 (fast) to 19 (small), or off"},
    {.name = "full",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "read every byte each time, and tell what changed behind unchanged metadata"},
    {.name = "keep-going",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "leave out databases and commands that fail, and name them"},
    {.name = "allow-empty",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "commands may yield nothing"},
    {.name = "database-files",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "databases are on this host: read their files, and only what has changed"},
    {.name = "database-limit",
     .check = is_size,
     .value = "50M",
     .wanted = "a size such as 50M",
     .help = "bytes a second at most from each database"},
    {.name = "keep-last", COUNT, .help = "keep the newest N snapshots"},
    {.name = "keep-minutely", COUNT, .help = "keep the newest of each minute, N minutes"},
    {.name = "keep-hourly", COUNT, .help = "keep the newest of each hour, N hours"},
    {.name = "keep-daily", COUNT, .help = "keep the newest of each day, N days"},
    {.name = "keep-weekly", COUNT, .help = "keep the newest of each week, N weeks"},
    {.name = "keep-monthly", COUNT, .help = "keep the newest of each month, N months"},
    {.name = "keep-yearly", COUNT, .help = "keep the newest of each year, N years"},
    {.name = "keep-within", DURATION, .value = "30d", .help = "keep all that are not older"},
    {.name = "keep-tag", .list = true, .value = "TAG", .help = "keep all with this word"},
    {.name = "keep-wal-days",
     .check = is_days,
     .beside = "keep-",
     .value = "14",
     .wanted = "a number of days from 1 to 65535",
     .help = "keep WAL of databases, and the base backup before it, for any moment of the last N "
             "days only (default: for all base backups that are kept)"},
    {.name = "prune",
     .kind = SETTINGS_FLAG,
     .value = "no",
     .help = "reclaim space after forgetting (yes, if any keep- key is set)"},
    {.name = "replicate-to",
     .kind = SETTINGS_REFERENCE,
     .list = true,
     .refers = "repository",
     .value = "NAME",
     .help = "a repository to copy to"},
    {.name = "replicate-limit",
     .list = true,
     .check = is_rate,
     .value = "08:00-18:00=2M",
     .wanted = "a rate such as 10M, off, 22:00-06:30=50M",
     .help = "bytes a second for all copies together"},
    {.name = "scrub-budget",
     .check = is_budget,
     .value = "5%",
     .wanted = "a budget such as 5%, 10GiB, 30m",
     .help = "read so much of what is stored, oldest reading first"},
    {.name = "verify-budget",
     .check = is_budget,
     .value = "2%",
     .wanted = "a budget such as 5%, 10GiB, 30m",
     .help = "restore so much in memory, and compare"},
    {.name = "schedule",
     .check = is_schedule,
     .value = "daily 03:30",
     .wanted = "a schedule such as daily 03:30, weekly sunday 03:00, monthly 1 04:00, hourly :15, "
               "every 15min, every 6h",
     .help = "run it at these times, after varve schedule install"},
    {.name = "schedule-jitter",
     .check = is_jitter,
     .value = "10min",
     .wanted = "a duration such as 90s, 10min, 1h",
     .help = "and up to so much later (default: 10min, at most a quarter of the time between two "
             "runs)"},
    {.name = "watch",
     .kind = SETTINGS_FLAG,
     .value = "yes",
     .help = "varve schedule install: have it watched continuously, too (varve watch)"},
    {.name = "rehearse-every",
     DURATION,
     .value = "30d",
     .help = "rehearse restoring the newest snapshot, if the last time was longer ago"},
    {.name = "rehearse-scratch",
     .check = is_absolute,
     .value = "/var/tmp",
     .wanted = "an absolute path",
     .help = "in a directory below this one (default: TMPDIR, else /var/tmp)"},
    {.name = "max-age",
     DURATION,
     .value = "26h",
     .help = "status: the newest snapshot, here and in every copy, is not older (default: by the "
             "schedule, else 26h)"},
    {.name = "max-full-age",
     DURATION,
     .value = "35d",
     .help = "status: nor is the newest full one"},
    {.name = "max-unread-age",
     DURATION,
     .value = "90d",
     .help = "status: everything stored was read back within this time"},
    {.name = "max-rehearsal-age",
     DURATION,
     .value = "35d",
     .help = "status: a restore was rehearsed within this time"},
    {.name = "space-lasts",
     DURATION,
     .value = "14d",
     .help = "status: at the present growth there is space for so long (default: 14d)"},
    {.name = "watch-quiet",
     .check = is_seconds,
     .value = "2s",
     .wanted = "a duration such as 2s, 500ms, 1min",
     .help = "varve watch: a snapshot when nothing has changed for so long (default: 2s)"},
    {.name = "watch-delay",
     .check = is_seconds,
     .value = "10s",
     .wanted = "a duration such as 10s, 1min",
     .help = "varve watch: and at the latest so long after a change (default: 10s)"},
    {.name = "watch-full-walk",
     .check = is_time_of_day,
     .value = "03:00",
     .wanted = "a time of day such as 03:00",
     .help = "varve watch: look at all files once a day (default: 03:00)"},
    {.name = "before",
     .list = true,
     .value = "COMMAND",
     .help = "run this first; if it fails nothing is done"},
    {.name = "after", .list = true, .value = "COMMAND", .help = "run this last, whatever happened"},
    {.name = "on-success", .list = true, .value = "COMMAND", .help = "run this when all went well"},
    {.name = "on-error",
     .list = true,
     .value = "COMMAND",
     .help = "run this when something went wrong"},
    {.name = "notify",
     .kind = SETTINGS_REFERENCE,
     .refers = "notify",
     .value = "NAME",
     .help = "who is told what becomes of it: [notify NAME] (default: [notify])"},
    {.name = "max-runtime",
     .check = is_duration,
     .value = "6h",
     .wanted = "a duration such as 90min, 6h",
     .help = "a run that takes longer is stopped, and has failed (default: it takes as long as it "
             "takes)"},
    {.name = "hook-timeout",
     .check = is_duration,
     .value = "10min",
     .wanted = "a duration such as 90min, 2h",
     .help = "commands of before, after, on-success and on-error are ended after so long "
             "(default: 10min)"},
    {0},
};

const struct settings_spec settings_specs[] = {
    {.kind = "repository",
     .named = true,
     .help = "a repository, known by its name from then on: "
             "-r NAME",
     .keys = repository_keys},
    {.kind = "job",
     .named = true,
     .help = "something to back up: varve run NAME",
     .keys = job_keys},
    {.kind = "notify",
     .named = true,
     .unnamed_too = true,
     .help = "who is told what becomes of a job",
     .keys = notify_keys},
};
const unsigned settings_spec_count = VV_COUNT(settings_specs);

const struct settings_option settings_backup_options[] = {
    {"exec", "exec"},
    {"exclude", "exclude"},
    {"exclude-from", "exclude-from"},
    {"exclude-caches", "exclude-caches"},
    {"exclude-larger-than", "exclude-larger-than"},
    {"one-file-system", "one-file-system"},
    {"may-change", "may-change"},
    {"tag", "tag"},
    {"compression", "compression"},
    {"full", "full"},
    {"keep-going", "keep-going"},
    {"allow-empty", "allow-empty"},
    {"database-files", "database-files"},
    {"database-limit", "limit"},
    {NULL, NULL},
};
const struct settings_option settings_file_options[] = {
    {"exclude", "exclude"},
    {"exclude-from", "exclude-from"},
    {"exclude-caches", "exclude-caches"},
    {"exclude-larger-than", "exclude-larger-than"},
    {"one-file-system", "one-file-system"},
    {"may-change", "may-change"},
    {"tag", "tag"},
    {"compression", "compression"},
    {NULL, NULL},
};
const struct settings_option settings_forget_options[] = {
    {"keep-last", "keep-last"},
    {"keep-minutely", "keep-minutely"},
    {"keep-hourly", "keep-hourly"},
    {"keep-daily", "keep-daily"},
    {"keep-weekly", "keep-weekly"},
    {"keep-monthly", "keep-monthly"},
    {"keep-yearly", "keep-yearly"},
    {"keep-within", "keep-within"},
    {"keep-tag", "keep-tag"},
    {"keep-wal-days", "keep-wal-days"},
    {NULL, NULL},
};
