/* SPDX-License-Identifier: BSD-2-Clause */
#include "ssh/helper_sshd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char program[] = "/usr/sbin/sshd";

const char *
sshd_path(const struct sshd *s, const char *name)
{
    static char paths[4][SSHD_PATH];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, SSHD_PATH, "%s/%s", s->dir, name);
    return path;
}

void
sshd_write(const struct sshd *s, const char *name, const char *text)
{
    FILE *f = fopen(sshd_path(s, name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

const char *
sshd_read(const struct sshd *s, const char *name)
{
    static char text[16384];
    FILE *f = fopen(sshd_path(s, name), "r");
    if (f == NULL) {
        return "";
    }
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    text[len] = '\0';
    (void)fclose(f);
    return text;
}

void
sshd_run(const struct sshd *s, const char *fmt, ...)
{
    char command[2048];
    va_list args;
    int at = snprintf(command, sizeof(command), "cd '%s' && ", s->dir);
    va_start(args, fmt);
    (void)vsnprintf(command + at, sizeof(command) - (size_t)at, fmt, args);
    va_end(args);
    if (system(command) != 0) { /* NOLINT: a test's own commands */
        fail_msg("failed: %s", command);
    }
}

void
sshd_knows(const struct sshd *s, const char *marker, const char *name, const char *key)
{
    char usual[64];
    (void)snprintf(usual, sizeof(usual), "[127.0.0.1]:%u", s->port);
    sshd_run(s, "echo \"%s %s $(cut -d' ' -f1,2 %s.pub)\" | sed 's/^ *//' >>known_hosts", marker,
             name == NULL ? usual : name, key);
}

const char *
sshd_fingerprint(const struct sshd *s, const char *key)
{
    static char text[128];
    sshd_run(s, "ssh-keygen -lf %s.pub | cut -d' ' -f2 | tr -d '\\n' >fingerprint", key);
    (void)snprintf(text, sizeof(text), "%s", sshd_read(s, "fingerprint"));
    return text;
}

bool
sshd_prepare(struct sshd *s)
{
    static const char make_keys[] =
        "mk() { ssh-keygen -q -t $1 -N \"$3\" -C \"\" -f $2; } && "
        "mk ed25519 host_ed25519 '' && mk ecdsa host_ecdsa '' && mk 'rsa -b 2048' host_rsa '' && "
        "mk ed25519 user_ed25519 '' && mk ecdsa user_ecdsa '' && mk 'rsa -b 2048' user_rsa '' && "
        "mk ed25519 user_locked '" SSHD_PASSPHRASE "' && mk ed25519 other_ed25519 '' && "
        "cat user_*.pub >authorized && chmod 600 authorized";
    char path[4096];

    *s = (struct sshd){.dir = "/tmp/varve-sshd-XXXXXX"};
    if (access(program, X_OK) != 0 || mkdtemp(s->dir) == NULL) {
        return false;
    }
    if (geteuid() == 0) {
        (void)mkdir("/run/sshd", 0755); /* where it leaves its privileges */
    }
    sshd_run(s, "%s", make_keys);
    sshd_run(s,
             "mkdir bin && { echo '#!/bin/sh'; echo 'exec /usr/bin/ssh -F %s/ssh_config \"$@\"'; "
             "} >bin/ssh && chmod 755 bin/ssh",
             s->dir);
    (void)snprintf(path, sizeof(path), "%s/bin:%s", s->dir, getenv("PATH"));
    (void)setenv("PATH", path, 1);
    (void)unsetenv("SSH_AUTH_SOCK");
    return true;
}

static int
connect_to(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
    (void)close(fd);
    return rc;
}

static unsigned
free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

static void
write_configuration(struct sshd *s, const char *host_keys, const char *lines)
{
    char text[4096];
    char keys[64];
    char *rest = NULL;
    int at = snprintf(text, sizeof(text),
                      "%sPort %u\nListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\n"
                      "PermitRootLogin yes\nPasswordAuthentication no\n"
                      "KbdInteractiveAuthentication no\nAuthorizedKeysFile %s/authorized\n"
                      "PidFile none\nMaxStartups 100\nLogLevel VERBOSE\n",
                      lines == NULL ? "" : lines, s->port, s->dir);
    (void)snprintf(keys, sizeof(keys), "%s", host_keys);
    for (char *k = strtok_r(keys, " ", &rest); k != NULL; k = strtok_r(NULL, " ", &rest)) {
        at += snprintf(text + at, sizeof(text) - (size_t)at, "HostKey %s/host_%s\n", s->dir, k);
    }
    if (lines == NULL || strstr(lines, "Subsystem") == NULL) {
        (void)snprintf(text + at, sizeof(text) - (size_t)at, "Subsystem sftp internal-sftp\n");
    }
    sshd_write(s, "sshd_config", text);
}

void
sshd_start(struct sshd *s, const char *host_keys, const char *lines)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    s->port = free_port();
    write_configuration(s, host_keys, lines);
    const char *config = sshd_path(s, "sshd_config");
    const char *log = sshd_path(s, "sshd.log");
    const char *shadow = sshd_path(s, "shadow");
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that is killed leaves nothing */
        (void)dup2(fd, STDERR_FILENO);
        if (s->own_shadow) {
            (void)setenv("VARVE_SHADOW", shadow, 1);
            (void)execlp("unshare", "unshare", "-m", "sh", "-c",
                         "mount --bind \"$VARVE_SHADOW\" /etc/shadow && exec \"$@\"", "sh", program,
                         "-D", "-e", "-f", config, (char *)NULL);
        } else {
            (void)execl(program, program, "-D", "-e", "-f", config, (char *)NULL);
        }
        _exit(127);
    }
    for (unsigned i = 0; connect_to(s->port) != 0; i++) {
        if (i == 1000 || waitpid(s->pid, NULL, WNOHANG) != 0) {
            fail_msg("sshd does not start: %s", sshd_read(s, "sshd.log"));
        }
        (void)nanosleep(&pause, NULL);
    }
}

void
sshd_stop(struct sshd *s)
{
    if (s->pid > 0) {
        (void)kill(s->pid, SIGCONT);
        (void)kill(s->pid, SIGTERM);
        (void)waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
    (void)unlink(sshd_path(s, "known_hosts"));
}

void
sshd_dispose(struct sshd *s)
{
    sshd_stop(s);
    if (s->dir[0] != '\0' && getenv("VARVE_KEEP") == NULL) {
        sshd_run(s, "rm -rf '%s'", s->dir);
    }
}
