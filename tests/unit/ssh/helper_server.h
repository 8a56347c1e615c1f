/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_SSH_HELPER_SERVER_H
#define VARVE_TESTS_SSH_HELPER_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ssh/sftp_client.h"

/** server_program(): the sftp-server of OpenSSH, or NULL. */
const char *server_program(void);

/** A real server and a client of it, in a fresh directory. */
struct served {
    char directory[64];
    struct sftp_client *client;
};
/** For cmocka: *state is a struct served; skips the test without a server. */
int served_setup(void **state);
int served_teardown(void **state);

/** served_path(s, name): below its directory; valid until the next four calls. */
const char *served_path(const struct served *s, const char *name);
/** A client of a new server process; asserts. */
struct sftp_client *served_client(const struct sftp_options *options);

/** expect_ok(rc, err): with the message. */
#define expect_ok(call)                                                                            \
    do {                                                                                           \
        struct vv_error err_ = {0};                                                                \
        if ((call) != VV_OK) {                                                                     \
            fail_msg("%s: %s", #call, err_.message);                                               \
        }                                                                                          \
    } while (0)

#endif
