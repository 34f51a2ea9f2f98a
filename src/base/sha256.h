/* SPDX-License-Identifier: MIT */

/* SHA-256 (FIPS 180-4), for names that cannot be used as they are. */
#ifndef SHMAP_SHA256_H
#define SHMAP_SHA256_H

#include <stddef.h>
#include <stdint.h>

void shmap__sha256(uint8_t digest[32], const void *data, size_t size);

#endif
