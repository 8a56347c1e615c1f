/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a known_hosts file.  What it says must not depend on lines being there twice, and a
 * line added must be found. */
#include "fuzz_support.h"
#include "ssh/known_hosts.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[] = "\0\0\0\013ssh-ed25519\0\0\0\0";
    struct vv_span shown = vv_span(key, sizeof(key) - 1);
    struct known_hosts_findings once = {0};
    struct known_hosts_findings twice = {0};
    struct vv_buf text = {0};

    fuzz_require(known_hosts_search(vv_span(data, size), "a", "nas", shown, &once, NULL) == VV_OK);
    vv_buf_put(&text, data, size);
    vv_buf_put_text(&text, "\n");
    vv_buf_put(&text, data, size);
    fuzz_require(known_hosts_search(vv_buf_span(&text), "a", "nas", shown, &twice, NULL) == VV_OK);
    fuzz_require(once.verdict == twice.verdict && once.line == twice.line &&
                 once.types == twice.types && once.authority == twice.authority);
    vv_buf_put_text(&text, "\n");
    fuzz_require(known_hosts_line("nas", shown, size % 2 == 1, &text, NULL) == VV_OK);
    fuzz_require(known_hosts_search(vv_buf_span(&text), "a", "nas", shown, &twice, NULL) == VV_OK);
    fuzz_require(twice.verdict >= KNOWN_HOSTS_MATCH);
    vv_buf_release(&text);
    return 0;
}
