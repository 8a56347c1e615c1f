/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit files of systemd. */
#include <ctype.h>
#include <string.h>

#include "service/scheduled_job.h"

bool
schedule_marked(struct vv_span text)
{
    size_t len = strlen(SCHEDULE_MARK);

    return text.len >= len && memcmp(text.data, SCHEDULE_MARK, len) == 0;
}

bool
schedule_text_fits(const char *text)
{
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text)) {
            return false;
        }
    }
    return true;
}

/* In quotes where it needs them; '%' begins a specifier everywhere, '$' a variable in a command line. */
static void
put_word(struct vv_buf *out, const char *prefix, const char *word, bool command)
{
    static const char plain[] = "+-./:=@_,";
    bool quote = word[0] == '\0';

    for (const char *c = word; *c != '\0'; c++) {
        quote = quote || (!isalnum((unsigned char)*c) && strchr(plain, *c) == NULL);
    }
    vv_buf_put_text(out, quote ? "\"" : "");
    vv_buf_put_text(out, prefix);
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            vv_buf_put_text(out, "\\");
        } else if (*c == '%' || (command && *c == '$')) {
            vv_buf_put(out, c, 1);
        }
        vv_buf_put(out, c, 1);
    }
    vv_buf_put_text(out, quote ? "\"" : "");
}

static void
put_words(struct vv_buf *out, const char *key, const char *const *words, const char *prefix,
          bool command)
{
    if (words[0] == NULL) {
        return;
    }
    vv_buf_printf(out, "%s", key);
    for (size_t i = 0; words[i] != NULL; i++) {
        vv_buf_put_text(out, i > 0 ? " " : "");
        put_word(out, prefix, words[i], command);
    }
    vv_buf_put_text(out, "\n");
}

static const char *const prefixes[] = {[SCHEDULED_RUN] = "varve-run-",
                                       [SCHEDULED_WATCH] = "varve-watch-",
                                       [SCHEDULED_STATUS] = "varve-status"};

void
unit_put_name(const struct scheduled_job *j, struct vv_buf *out)
{
    vv_buf_printf(out, "%s%s", prefixes[j->kind], j->name);
}

static bool
has_ending(const char *file, const char *ending)
{
    size_t len = strlen(file);
    size_t end = strlen(ending);

    return len >= end && strcmp(file + len - end, ending) == 0;
}

bool
unit_is_ours(const char *file)
{
    for (enum scheduled_kind k = SCHEDULED_RUN; k <= SCHEDULED_STATUS; k++) {
        size_t len = strlen(prefixes[k]);
        if (strncmp(file, prefixes[k], len) == 0 && (k == SCHEDULED_STATUS) == (file[len] == '.') &&
            (has_ending(file, ".service") || has_ending(file, ".timer"))) {
            return true;
        }
    }
    return false;
}

bool
unit_is_enabled(const char *file)
{
    const char *prefix = prefixes[SCHEDULED_WATCH];

    return has_ending(file, ".timer") || strncmp(file, prefix, strlen(prefix)) == 0;
}

/* What it is for, as a description. */
static void
put_title(const struct scheduled_job *j, struct vv_buf *out)
{
    if (j->kind == SCHEDULED_STATUS) {
        vv_buf_put_text(out, "varve: are all jobs well?");
    } else {
        vv_buf_printf(out, "varve: job '%s'%s", j->name,
                      j->kind == SCHEDULED_WATCH ? ", continuously" : "");
    }
}

static void
put_begin(struct vv_buf *out, const struct scheduled_job *j, const char *what)
{
    vv_buf_put_text(out, SCHEDULE_MARK);
    if (j->kind == SCHEDULED_STATUS) {
        vv_buf_put_text(out, " since there is somebody to tell ([notify]).\n");
    } else {
        vv_buf_printf(out, " from the key '%s' of [job %s].\n",
                      j->kind == SCHEDULED_WATCH ? "watch" : "schedule", j->name);
    }
    vv_buf_put_text(out, "# What is changed in here is lost: use 'systemctl edit ");
    unit_put_name(j, out);
    vv_buf_printf(out, ".%s'.\n\n", what);
}

/*
 * What may be taken from every run of a job, whatever its commands do.  Rights and writing are taken away,
 * never anything that could be read: what a setting hides (InaccessiblePaths=, or an empty directory over
 * /usr/lib/modules for ProtectKernelModules=) is not an error to a backup, which would store the empty
 * directory and say that it is complete.  ProtectKernelTunables= hides in /proc alone, which no backup reads;
 * ProtectClock= hides nothing, but stands for a list of devices that leaves out all but the clock, so that it
 * needs one of ours beside it.  Modules and the kernel's log are out of reach by system calls and capabilities.
 */
static const char rights[] =
    "\n"
    "# What is left of root's rights: to read everything (trusted.* attributes need "
    "CAP_SYS_ADMIN),\n"
    "# and to write a repository of another owner.\n"
    "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE CAP_FOWNER CAP_SYS_ADMIN\n";
static const char rights_over_others[] = "# To become another user for a command, and to end it.\n"
                                         "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL\n";
static const char rights_to_restore[] =
    "# A rehearsal sets owners and file capabilities; it leaves off set-id bits and devices.\n"
    "CapabilityBoundingSet=CAP_CHOWN CAP_SETFCAP\n";
static const char restrictions[] =
    "NoNewPrivileges=yes\n"
    "RestrictSUIDSGID=yes\n"
    "ProtectKernelTunables=yes\n"
    "ProtectControlGroups=yes\n"
    "ProtectClock=yes\n"
    "ProtectHostname=yes\n"
    "PrivateMounts=yes\n"
    "RestrictNamespaces=yes\n"
    "RestrictRealtime=yes\n"
    "LockPersonality=yes\n"
    "KeyringMode=private\n"
    "SystemCallArchitectures=native\n"
    "SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap "
    "syslog\n"
    "SystemCallErrorNumber=EPERM\n"
    "# Priorities are those above: to set others succeeds ('ionice', 'taskset'), and does "
    "nothing.\n"
    "SystemCallFilter=~@resources:0\n"
    "DevicePolicy=closed\n";
/* One that fails for want of a device says so; what is hidden would not. */
static const char for_commands[] =
    "# The job has commands of its own, which may need mounts, and to write anywhere but in the\n"
    "# system itself; and the devices of disks, volumes, file systems, tapes, keys and TPM.\n"
    "ProtectSystem=full\n"
    "DeviceAllow=block-* rwm\n"
    "DeviceAllow=char-misc rwm\n"
    "DeviceAllow=char-st rw\n"
    "DeviceAllow=char-sg rw\n"
    "DeviceAllow=char-ch rw\n"
    "DeviceAllow=char-usb_device rw\n"
    "DeviceAllow=char-hidraw rw\n"
    "DeviceAllow=char-tpm rw\n";
static const char for_itself[] =
    "# It writes to its repositories, state and cache, and nowhere else.\n"
    "SystemCallFilter=~@mount\n"
    "ProtectSystem=strict\n"
    "ProtectHome=read-only\n";

static void
put_rights(struct vv_buf *out, const struct scheduled_job *j)
{
    vv_buf_put_text(out, rights);
    vv_buf_put_text(out, j->commands || j->restores ? rights_over_others : "");
    vv_buf_put_text(out, j->restores ? rights_to_restore : "");
}

static void
put_restrictions(struct vv_buf *out, const struct scheduled_job *j)
{
    static const char *const temporary[] = {"/tmp", "/var/tmp", NULL};

    put_rights(out, j);
    vv_buf_put_text(out, restrictions);
    vv_buf_put_text(out, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6");
    vv_buf_put_text(out, j->commands && j->restores ? "\n" : " AF_NETLINK\n");
    vv_buf_put_text(out, j->commands ? for_commands : for_itself);
    if (!j->commands) {
        put_words(out, "ReadWritePaths=", temporary, "-", false);
    }
    put_words(out, "ReadWritePaths=", j->writable, "-", false);
    if (j->state_directory) {
        vv_buf_put_text(out, "StateDirectory=varve\nStateDirectoryMode=0700\n");
    }
    if (j->cache_directory) {
        vv_buf_put_text(out, "CacheDirectory=varve\nCacheDirectoryMode=0700\n");
    }
}

/*
 * A package that is removed leaves units behind, which should not fail at each of their times then.  There are
 * no quotes here, but specifiers; blanks at the end are lost, and a backslash there continues the line:
 * better no condition than one that is never met.
 */
static void
put_condition(struct vv_buf *out, const char *program)
{
    char last = program[strlen(program) - 1];

    if (last == ' ' || last == '\\') {
        return;
    }
    vv_buf_put_text(out, "ConditionFileIsExecutable=");
    for (const char *c = program; *c != '\0'; c++) {
        vv_buf_put(out, c, 1);
        if (*c == '%') {
            vv_buf_put(out, c, 1);
        }
    }
    vv_buf_put_text(out, "\n");
}

/* A run ends by itself; what watches goes on, tells when it is ready and that it lives, and is started anew. */
static void
put_kind_of_service(struct vv_buf *out, const struct scheduled_job *j)
{
    if (j->kind != SCHEDULED_WATCH) {
        vv_buf_put_text(out, "Type=oneshot\n");
        vv_buf_put_text(out,
                        j->kind != SCHEDULED_STATUS
                            ? ""
                            : "# That a job is not well is what it finds, no failure of its own; "
                              "--notify tells.\n"
                              "SuccessExitStatus=1 2 3\n");
        return;
    }
    vv_buf_put_text(out,
                    "Type=notify\n"
                    "NotifyAccess=main\n"
                    "WatchdogSec=5min\n"
                    "Restart=on-failure\n"
                    "RestartSec=30s\n"
                    "# kill(1) is a program of procps, which may be missing; the shell has one.\n"
                    "ExecReload=/bin/sh -c \"kill -HUP $$MAINPID\"\n");
}

void
unit_put_service(const struct scheduled_job *j, bool user, struct vv_buf *out)
{
    static const char *const manuals[] = {[SCHEDULED_RUN] = "man:varve-run(1)",
                                          [SCHEDULED_WATCH] = "man:varve-watch(1)",
                                          [SCHEDULED_STATUS] = "man:varve-status(1)"};

    put_begin(out, j, "service");
    vv_buf_put_text(out, "[Unit]\nDescription=");
    put_title(j, out);
    vv_buf_printf(out, "\nDocumentation=%s man:varve-schedule(1)\n", manuals[j->kind]);
    put_condition(out, j->words[0]);
    if (!user) {
        vv_buf_put_text(out, "Wants=network-online.target\n"
                             "After=network-online.target remote-fs.target\n");
    }
    vv_buf_put_text(out, "\n[Service]\n");
    put_kind_of_service(out, j);
    put_words(out, "ExecStart=", j->words, "", true);
    if (!user) {
        vv_buf_put_text(out, "Environment=HOME=%h\n");
    }
    put_words(out, "Environment=", j->environment, "", false);
    vv_buf_put_text(
        out, "TimeoutStartSec=infinity\n"
             "# What it does when it is told to stop may take a while: hooks, a last snapshot.\n"
             "KillMode=mixed\n"
             "TimeoutStopSec=15min\n"
             "UMask=0077\n"
             "\n"
             "# Behind everything else, but not idle: on a busy disk it would never end.\n"
             "Nice=10\n"
             "CPUWeight=20\n"
             "IOWeight=20\n"
             "IOSchedulingClass=best-effort\n"
             "IOSchedulingPriority=7\n");
    if (!user) {
        put_restrictions(out, j);
    }
    if (j->kind == SCHEDULED_WATCH) {
        vv_buf_printf(out, "\n[Install]\nWantedBy=%s\n",
                      user ? "default.target" : "multi-user.target");
    }
}

void
unit_put_timer(const struct scheduled_job *j, struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf calendar = {0};
    char *line;
    char *end;

    put_begin(out, j, "timer");
    vv_buf_put_text(out, "[Unit]\nDescription=");
    put_title(j, out);
    vv_buf_printf(out,
                  "%s%s\n"
                  "Documentation=man:varve-schedule(1)\n"
                  "\n"
                  "[Timer]\n",
                  j->kind == SCHEDULED_RUN ? ", " : " ", j->schedule_text);
    schedule_calendar(&j->schedule, &calendar);
    vv_buf_put_u8(&calendar, 0);
    if (calendar.failed) {
        out->failed = true;
        return;
    }
    for (line = (char *)calendar.data; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        vv_buf_printf(out, "OnCalendar=%.*s\n", (int)(end - line), line);
    }
    vv_buf_printf(out,
                  "# Hosts that share a site do not all begin at once; this one always as late.\n"
                  "RandomizedDelaySec=%llu\n"
                  "FixedRandomDelay=yes\n"
                  "AccuracySec=1s\n"
                  "# What was due while the machine was off is made up.\n"
                  "Persistent=true\n"
                  "\n"
                  "[Install]\n"
                  "WantedBy=timers.target\n",
                  (unsigned long long)j->jitter_s);
}
