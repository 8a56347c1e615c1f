/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: what the ssh command prints: its configuration, and what it says when it fails. */
#include "fuzz_support.h"
#include "ssh/ssh_command_internal.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ssh_command_said s;
    struct ssh_config c = {0};
    struct vv_buf ciphers = {0};
    char reason[SSH_REASON_SIZE];

    if (ssh_config_parse(vv_span(data, size), &c, NULL) == VV_OK) {
        fuzz_require(c.identities.count <= SSH_CONFIG_FILES && c.port <= 65535);
        if (ssh_config_needs_command(&c, reason)) {
            fuzz_require(strlen(reason) > 0);
        }
        if (ssh_config_ciphers(&c, &ciphers)) {
            fuzz_require(c.ciphers == NULL || ciphers.len >= strlen(c.ciphers));
        }
        vv_buf_release(&ciphers);
        ssh_config_release(&c);
    }
    ssh_command_said_parse(vv_span(data, size), &s);
    fuzz_require((s.key.len > 0) == (s.fingerprint[0] != '\0') || s.key.len == 0);
    (void)ssh_command_trouble(vv_buf_text(&s.text));
    ssh_command_said_release(&s);
    return 0;
}
