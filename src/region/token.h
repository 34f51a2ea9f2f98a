/* SPDX-License-Identifier: MIT */

/* Tokens: a gift as a line of text. */
#ifndef SHMAP_TOKEN_H
#define SHMAP_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "platform.h"

/* Room for a token of this name, with its NUL, whatever the gift. */
size_t shmap__token_space(const char *os_name);

/* Write a token; `out` has that room. */
void shmap__token_write(char *out, const shmap__os_gift *gift,
                        const char *os_name);

/* Read one. `os_name` has room for as many bytes as the token has. False if it
 * is not what shmap__token_write makes, but for white space behind it. */
bool shmap__token_read(const char *token, shmap__os_gift *gift, char *os_name);

#endif
