/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_REPLICATE_REPORT_H
#define VARVE_CMD_REPLICATE_REPORT_H

#include "app.h"
#include "engine/replicate.h"

/** replicate_verdict(d): the exit code one destination calls for. */
enum exit_code replicate_verdict(const struct replicate_destination *d);
/** One destination, as an object of an open array; as text. */
void replicate_report_json(struct json *j, const struct replicate_destination *d);
void replicate_report(const struct replicate_destination *d, FILE *file);

#endif
