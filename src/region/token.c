/* SPDX-License-Identifier: MIT */

/* Tokens: a gift as a line of text.
 *
 *     shmap1:<way, kind, access>:<from>:<to>:<native>:<identity>:<name>:<check>
 *
 * Numbers are hexadecimal. Bytes of a name that a command line could take for
 * something else are "+" and two digits. The check protects against truncated
 * tokens, not against forged ones.
 */
#include "region/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX SHMAP__OS_MESSAGE_START "1:"

/* Letters of the enumerators, which begin with 1. */
static const char ways[] = "cps";
static const char kinds[] = "naf";
static const char accesses[] = "rw";

enum {
    LETTERS = 3,
    NUMBERS = 5,
    DIGITS = 16,      /* of a number */
    CHECK_DIGITS = 8, /* always all of them */
    ESCAPED = 3       /* a byte of a name */
};

size_t shmap__token_space(const char *os_name)
{
    return sizeof PREFIX + LETTERS + NUMBERS * (1 + DIGITS) + 1 +
           ESCAPED * strlen(os_name) + 1 + CHECK_DIGITS;
}

/* FNV-1a. */
static uint32_t check_of(const char *text, size_t size)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619U;
    return hash;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '/';
}

static char *write_name(char *out, const char *name)
{
    for (; *name != '\0'; name++) {
        if (is_plain(*name))
            *out++ = *name;
        else
            out += snprintf(out, ESCAPED + 1, "+%02x", (unsigned char)*name);
    }
    return out;
}

void shmap__token_write(char *out, const shmap__os_gift *gift,
                        const char *os_name)
{
    char *end = out;

    end += sprintf(end, PREFIX "%c%c%c", ways[gift->way - 1],
                   kinds[gift->kind - 1], accesses[gift->access - 1]);
    end += sprintf(
        end, ":%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":",
        (uint64_t)gift->from, (uint64_t)gift->to, (uint64_t)gift->native,
        gift->identity[0], gift->identity[1]);
    end = write_name(end, os_name);
    sprintf(end, ":%08" PRIx32, check_of(out, (size_t)(end - out)));
}

/* Reading: each function returns where the next field begins, or NULL. */

static const char *read_letter(const char *at, const char *letters, int *value)
{
    const char *found = *at == '\0' ? NULL : strchr(letters, *at);

    if (found == NULL)
        return NULL;
    *value = 1 + (int)(found - letters);
    return at + 1;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ":" and a number as it is written: no needless zeros. */
static const char *read_number(const char *at, uint64_t *value)
{
    const char *first = at + 1;

    if (*at != ':' || (first[0] == '0' && digit(first[1]) >= 0))
        return NULL;
    *value = 0;
    for (at = first; digit(*at) >= 0; at++) {
        if (at - first >= DIGITS)
            return NULL;
        *value = *value << 4 | (uint64_t)digit(*at);
    }
    return at == first ? NULL : at;
}

/* ":" and a name. */
static const char *read_name(const char *at, char *name)
{
    if (*at++ != ':')
        return NULL;
    while (*at != ':') {
        if (is_plain(*at)) {
            *name++ = *at++;
            continue;
        }
        if (at[0] != '+' || digit(at[1]) < 0 || digit(at[2]) < 0)
            return NULL;
        *name = (char)(digit(at[1]) << 4 | digit(at[2]));
        if (*name == '\0' || is_plain(*name))
            return NULL;
        name++;
        at += ESCAPED;
    }
    *name = '\0';
    return at;
}

/* ":", where the name ended, and the check; then at most what a line of text
 * ends with. */
static bool read_check(const char *at, const char *token)
{
    char check[CHECK_DIGITS + 1];

    snprintf(check, sizeof check, "%08" PRIx32,
             check_of(token, (size_t)(at - token)));
    if (strncmp(at + 1, check, CHECK_DIGITS) != 0)
        return false;
    at += 1 + CHECK_DIGITS;
    return at[strspn(at, " \t\r\n")] == '\0';
}

bool shmap__token_read(const char *token, shmap__os_gift *gift, char *os_name)
{
    const char *at = token + sizeof PREFIX - 1;
    uint64_t numbers[NUMBERS];

    if (strncmp(token, PREFIX, sizeof PREFIX - 1) != 0 ||
        (at = read_letter(at, ways, &gift->way)) == NULL ||
        (at = read_letter(at, kinds, &gift->kind)) == NULL ||
        (at = read_letter(at, accesses, &gift->access)) == NULL)
        return false;
    for (int i = 0; i < NUMBERS; i++) {
        at = read_number(at, &numbers[i]);
        if (at == NULL)
            return false;
    }
    at = read_name(at, os_name);
    if (at == NULL || !read_check(at, token))
        return false;
    gift->from = (int64_t)numbers[0];
    gift->to = (int64_t)numbers[1];
    gift->native = (int64_t)numbers[2];
    gift->identity[0] = numbers[3];
    gift->identity[1] = numbers[4];
    return true;
}
