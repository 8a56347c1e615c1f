/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_HELPER_CONNECT_H
#define VARVE_TESTS_HELPER_CONNECT_H

#include "ssh/helper_sshd.h"
#include "ssh/ssh_connect.h"

/* What tests of connecting share: one server, one attempt after the other. */

extern struct sshd server;
extern const enum ssh_transport both[2];

/** connect_chosen(): the text of the last event "ssh-transport", "" if there was none since
 *  connect_options. */
const char *connect_chosen(void);
/** connect_options(transport, identity): with the key DIR/identity (NULL: none is named). */
struct ssh_options connect_options(enum ssh_transport transport, const char *identity);
/** assert_speaks_sftp(s): a new stream answers to the opening of SFTP. */
void assert_speaks_sftp(struct byte_stream *s);
/** assert_connects(o, transport): and speaks SFTP; ${transport} must be in what is said to have been
 *  chosen (NULL: no matter). */
void assert_connects(const struct ssh_options *o, const char *transport);
void assert_says(const char *text, const char *wanted);
/** assert_fails(o, rc, message, hint): with these words in message and hint (NULL: no matter). */
void assert_fails(const struct ssh_options *o, enum vv_rc rc, const char *message,
                  const char *hint);

/** connect_begin, connect_end: group set-up and teardown.  connect_start, connect_stop: of each test:
 *  a server with three host keys, of which known_hosts holds the ed25519 one. */
int connect_begin(void **state);
int connect_end(void **state);
int connect_start(void **state);
int connect_stop(void **state);
/** connect_configure(lines): these come first in ssh_config. */
void connect_configure(const char *lines);
void connect_restart(const char *host_keys, const char *lines);
void connect_forget_hosts(void);
#define USUAL(test) cmocka_unit_test_setup_teardown(test, connect_start, connect_stop)

#endif
