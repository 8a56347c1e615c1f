/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: what an SFTP server answers, from the type byte on. */
#include "fuzz_support.h"
#include "ssh/sftp_codec.h"

static void
require_within(struct vv_span part, struct vv_span whole)
{
    fuzz_require(part.len == 0 || (part.data >= whole.data && part.len <= whole.len &&
                                   part.data + part.len <= whole.data + whole.len));
}

static void
take_answer(struct vv_span packet)
{
    struct sftp_answer answer;
    struct sftp_attributes attributes;
    struct vv_span name;
    uint64_t free_bytes;
    uint64_t total;
    struct sftp_limits limits;

    if (!sftp_answer_decode(packet, &answer)) {
        return;
    }
    require_within(answer.text, packet);
    require_within(answer.data, packet);
    fuzz_require(answer.handle.len <= sizeof(answer.handle.bytes));
    uint32_t count = answer.names.left;
    fuzz_require(count <= packet.len / 12); /* three lengths or flags each: no loop without bytes */
    while (sftp_names_next(&answer.names, &name, &attributes)) {
        require_within(name, packet);
        count--;
    }
    fuzz_require(count == 0); /* what has been accepted can be gone through */
    (void)!sftp_statvfs_decode(answer.data, &free_bytes, &total);
    (void)!sftp_limits_decode(answer.data, &limits);
}

static void
take_version(struct vv_span packet)
{
    struct vv_buf names = {0};
    uint32_t version = 0;
    uint32_t extensions = 0;

    if (sftp_version_decode(packet, &version, &extensions, &names)) {
        fuzz_require(names.len <= SFTP_EXTENSION_TEXT);
        for (size_t i = 0; i < names.len; i++) {
            fuzz_require(names.data[i] == '\n' || (names.data[i] >= 0x20 && names.data[i] < 0x7f));
        }
    }
    vv_buf_release(&names);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == SFTP_PACKET_VERSION) {
        take_version(vv_span(data, size));
    } else {
        take_answer(vv_span(data, size));
    }
    return 0;
}
