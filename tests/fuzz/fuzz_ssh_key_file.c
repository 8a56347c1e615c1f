/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a private key file of ssh. */
#include "fuzz_support.h"
#include "ssh/ssh_key.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ssh_key_file f = {0};
    struct vv_buf decoded = {0};
    struct vv_buf encoded = {0};
    struct vv_buf again = {0};

    if (ssh_key_file_parse(vv_span(data, size), &f, NULL) == VV_OK && f.public_key.len > 0) {
        fuzz_require(f.type == ssh_key_type_of(vv_buf_span(&f.public_key)));
    }
    ssh_key_file_release(&f);
    if (ssh_base64_decode(&decoded, vv_span(data, size))) {
        ssh_base64_encode(&encoded, vv_buf_span(&decoded));
        fuzz_require(ssh_base64_decode(&again, vv_buf_span(&encoded)));
        fuzz_same(vv_buf_span(&decoded), vv_buf_span(&again));
    }
    vv_buf_release(&decoded);
    vv_buf_release(&encoded);
    vv_buf_release(&again);
    return 0;
}
