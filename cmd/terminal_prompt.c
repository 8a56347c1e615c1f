/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking for a secret on the terminal. */
#include "terminal_prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/file.h"
#include "crypto/secret.h"
#include "signals.h"

int
prompt_terminal(void)
{
    int fd;

    if (isatty(STDIN_FILENO) != 1 && isatty(STDERR_FILENO) != 1) {
        return -1;
    }
    fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && tcgetpgrp(fd) != getpgrp()) {
        vv_fd_close(fd); /* in the background nobody can answer */
        return -1;
    }
    return fd;
}

/** Bytes up to a line end.  *ret_len may exceed ${size}: then the line was too long. */
static enum vv_rc
read_line(int fd, char *buf, size_t size, size_t *ret_len, struct vv_error *err)
{
    size_t len = 0;
    char c = '\0';

    for (;;) {
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR) {
            VV_TRY(vv_cancel_check(signals_cancel(), err));
            continue;
        }
        if (n < 0) {
            return vv_error_sys(err, errno, "cannot read from the terminal");
        }
        if (n == 0) {
            return vv_error_set(err, VV_ECANCELLED, "no passphrase was given");
        }
        if (c == '\n' || c == '\r') {
            *ret_len = len;
            return VV_OK;
        }
        if (len < size) {
            buf[len] = c;
        }
        len++;
    }
}

enum vv_rc
prompt_secret(const char *text, char *buf, size_t size, size_t *ret_len, struct vv_error *err)
{
    int fd = prompt_terminal();
    struct termios saved;
    struct termios quiet;
    struct sigaction ignore;
    struct sigaction stop;
    size_t len = 0;
    enum vv_rc rc;

    if (fd < 0 || tcgetattr(fd, &saved) != 0) {
        vv_fd_close(fd);
        return vv_error_set(err, VV_EKEY, "there is no terminal to ask on");
    }
    /* Stopped in here, we would leave the shell a terminal without echo. */
    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    (void)sigaction(SIGTSTP, &ignore, &stop);
    signals_terminal_changed(fd, &saved);
    quiet = saved;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    rc = tcsetattr(fd, TCSAFLUSH, &quiet) == 0
             ? VV_OK
             : vv_error_sys(err, errno, "cannot switch off the terminal's echo");
    if (rc == VV_OK) {
        rc = vv_fd_write_full(fd, text, strlen(text), "the terminal", err);
    }
    if (rc == VV_OK) {
        rc = read_line(fd, buf, size, &len, err);
        if (rc == VV_OK) {
            rc = vv_fd_write_full(fd, "\n", 1, "the terminal", err);
        }
    }
    (void)tcsetattr(fd, TCSAFLUSH, &saved);
    signals_terminal_restored();
    (void)sigaction(SIGTSTP, &stop, NULL);
    vv_fd_close(fd);
    if (rc == VV_OK && len > size) {
        rc = vv_error_set(err, VV_ELIMIT, "that is too long: at most %zu bytes", size);
    }
    if (rc == VV_OK) {
        *ret_len = len;
    }
    return rc;
}

bool
prompt_yes(const char *text)
{
    int fd = prompt_terminal();
    char line[8];
    size_t len = 0;

    bool yes = fd >= 0 && vv_fd_write_full(fd, text, strlen(text), "the terminal", NULL) == VV_OK &&
               read_line(fd, line, sizeof(line), &len, NULL) == VV_OK && len == 3 &&
               memcmp(line, "yes", 3) == 0;
    vv_fd_close(fd);
    return yes;
}
