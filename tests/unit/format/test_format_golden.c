/* SPDX-License-Identifier: BSD-2-Clause */
/* Format version 1 is written down: the samples' bytes never change.  If this test fails, the
 * change breaks repositories that exist, or needs a new format version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/hash.h"
#include "helper_samples.h"

/* SHA-256 of each sample, in the order of the table; regenerate only for new samples. */
static const struct {
    const char *name;
    const char *variant;
    const char *digest;
} golden[] = {
    {"config", "plain", "06c480ecbb5f9e70a43a184c0b57723080c5623caa118ccc07d4e856b894a0e8"},
    {"envelope", "plain", "2397071cffd5a411acced02e76e6d0b1c87d2ab887a45ac5e8a687f304533f51"},
    {"key_slot", "passphrase", "d58cf274f59204aaceae0055ad29183f4aac5d7ac313e0e4f4daa6c91a0eb9cc"},
    {"key_slot", "key-file", "9304e61a155d9e91b6d5419876219a32b29bc18b201d9e8800fed3fda77c7270"},
    {"key_bundle", "admin", "0285dfb72e5fdd4751e0144fed64cfe1c81a75bc4e6bcd0299237a481e5e1962"},
    {"key_bundle", "reader", "6156b0accf6e492300ff037f121330fe5a7c093f578ec6053ed12e1137c8ebb9"},
    {"key_file", "plain", "72670368c9ee1feb68c72b389d8e348696ada77a17e1cc693e57e7f18f1770be"},
    {"pack_header", "data", "7deb268821e680fd879bdf77594a71878dfd063a9f26bb2cc302403aed11a930"},
    {"pack_footer", "small", "13fc0bad4acecb0cecdaabedb7f5b6c0a6f22105fcf231aafc1773df62b14b0f"},
    {"pack_directory", "two-blocks",
     "6841d0d750833416ed1d62dbd14c5f5e2347ceeb3c2f7937acb9cb4314172bf4"},
    {"index_segment", "two-records",
     "72887544de32cfad6c70a5321befdec8e6b0baf04449497714d00209a5fa36db"},
    {"index_body", "plain", "02d0651e2ac4fcb10e34ea14bee4b804cc7f4c40997f698e72d35de9c30ece0f"},
    {"session", "reader", "85a9420ae9704726877d8f162a9711228c60c2e8bbb2efddac7e09389f6ee416"},
    {"slot", "records", "8b812ab3b5e1ab3ed32e0097453ec27ddccc62b16bc0eeada7db55b9926ff7cd"},
    {"slot", "fence", "1229f56cb7e911489728ad6bcf8f4af470805ef4eae8c209468af049a8a757df"},
    {"snapshot_record", "plain",
     "74afa16f7263b26dcc9c0e7a72e8516fcb957ad6ddc27df603c2247ace15cc2f"},
    {"snapshot_body", "everything",
     "5a047e04563dda98b2e52ee1891a884799eed55f8f31b099ba210019df5f84a7"},
    {"snapshot_body", "wal", "216b7dc2898c6d0f215147a60dafa62c59d6b8ce538cc8448fbe162683783c8b"},
    {"admin", "certificate", "a0e563a6bbac5828f67671fdee1216cfb88812eb7a209d44c4a6befa23d7f993"},
    {"admin", "revocation", "a1401c71cf5f8e8121b251d50ad539648ccf4b252c779ce8b2a14bd03585090b"},
    {"admin", "epoch", "82320463ffad5f0c3a6e949b4663442cc0b96c126623548a32015f06716b4797"},
    {"admin", "grave", "8ec55a54a45e2661d8ce9b3a43a284fbff549331386c17e54bdf907b0e775bfb"},
    {"admin", "suspect", "f7649b70f6d931cba23c9c91bfa6b9740e538973c44970b29bff7794f3427473"},
    {"admin", "forget", "981db0ea7b6a08431e26e4477ccb24ef0c8d7d4be55e2670219a58a328d12a37"},
    {"admin", "forget-end", "750c7321ce865552b46b27d40cb0419c598661d20aca396dee14d54d3b34e8ea"},
    {"admin", "pin", "818ad413786c2e6931146c1d23eb98f154b640c6db89e356f193dd13b77657cd"},
    {"admin", "listed", "dadf39d214cbc9357e4d3dcaa2f739bfee2d11f18110b99f236f5e92ce23f189"},
    {"admin", "accepted", "e3d43b28ac34d43d4468d146f24886da71d118849cdf9fa0738f0b234fa0565d"},
    {"condemned", "two-packs", "019e0e366a9d89ff08132f371d923c8ce54e82248aea0cc4588e8f537abddd46"},
    {"site", "plain", "f61c4f00548c76234e03a882cba307cbcf383a2e996843cf6c871dd5ea285ca8"},
    {"node", "leaf", "46873836744a0b5e16a1889214927d52658c5cb970501cfb973167fe054f185e"},
    {"node", "inner", "1d52bac4006663b19b21169444ee78c48bcdb5ce6d9b2e845aa878cd4d752fed"},
    {"list", "chunks", "5193ff9471d8896e27814f809d4199527967ad71e606c7a69f61c7c87e0fa987"},
    {"list", "lists", "48c151e45c4dd7da4111d41a18bdf6f856e99192ec2f2ffecf28842b44ba20a7"},
    {"xattrs", "two", "a3128a0ccdf5eaee57338815c6923abcef695a649ed71896545f7eedeaa33244"},
    {"extents", "three", "3bd2dd2b4ad091833ab4ec4484ef5033b8088c12b86763b28031ca05b7bc3912"},
    {"parity_object", "small", "3e7591d12ba757c7057c50a328ca86de40be9cd59fbb3f32fe53aac4b017324d"},
    {"parity_decision", "on", "bd3f07224725f74685af78e220f511a5231900ce29ea8f2598b7e6b148c9f263"},
};

static void
format__bytes_of_version_1_do_not_change(void **state)
{
    (void)state;
    assert_int_equal(sample_count, sizeof(golden) / sizeof(golden[0]));
    for (size_t i = 0; i < sample_count; i++) {
        struct vv_buf object = {0};
        uint8_t digest[32];
        char text[65];
        samples[i].build(&object);
        sha256(object.data, object.len, digest);
        vv_hex(text, digest, sizeof(digest));
        assert_string_equal(samples[i].name, golden[i].name);
        assert_string_equal(samples[i].variant, golden[i].variant);
        if (strcmp(text, golden[i].digest) != 0) {
            fail_msg("%s/%s is now %s", samples[i].name, samples[i].variant, text);
        }
        vv_buf_release(&object);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format__bytes_of_version_1_do_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
