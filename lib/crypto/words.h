/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_WORDS_H
#define VARVE_CRYPTO_WORDS_H

/* The list of recovery words, inside crypto/ (see crypto/passphrase.h) and for tests. */

#define RECOVERY_WORD_COUNT 2048u
#define RECOVERY_WORD_SIZE 8u /* at most seven letters and a NUL */

/** Sorted bytewise; no two words agree in their first four letters. */
extern const char recovery_word_list[RECOVERY_WORD_COUNT][RECOVERY_WORD_SIZE];

#endif
