/* SPDX-License-Identifier: MIT */

/* Names: which are valid, and what the system calls a region. */
#include "region/name.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "platform.h"
#include "base/sha256.h"

/* Of a name that is hashed: how much stays readable, and how many hexadecimal
 * digits follow (128 bits). No name that is used directly contains SEPARATOR,
 * so the two kinds never meet. */
enum { READABLE = 40, DIGITS = 32, SEPARATOR = '~' };

/* Where the system leaves no room for that: letters and digits (120 bits), and
 * before them the beginning of the prefix. */
enum { SHORT_DIGITS = 24 };

/* Whether a byte may stand in a name that is used as it is. */
static bool is_direct(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool is_all_direct(const char *name)
{
    if (*name == '.')
        return false;
    while (is_direct(*name))
        name++;
    return *name == '\0';
}

/* Return the size of the well-formed sequence at `s`, or 0. The limits of the
 * second byte exclude overlong forms, surrogates and numbers beyond U+10FFFF
 * (RFC 3629, section 4). */
static size_t sequence_size(const unsigned char *s)
{
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t size;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    }
    return size;
}

bool shmap__name_is_utf8(const char *name)
{
    const unsigned char *s = (const unsigned char *)name;

    if (*s == '\0')
        return false;
    while (*s != '\0') {
        size_t size = sequence_size(s);

        if (size == 0)
            return false;
        s += size;
    }
    return true;
}

/* Whether a name in machine scope could be taken for one in a user's scope,
 * which begins with the user's number on POSIX systems. */
static bool looks_like_a_users(const char *name)
{
    const char *s = name;

    while (*s >= '0' && *s <= '9')
        s++;
    return s != name && *s == '.';
}

/* Write the readable beginning of a name, other characters as '_', then the
 * hash. */
static void append_hashed(char *out, const char *name)
{
    uint8_t digest[32];
    size_t size = strlen(name);
    size_t used = 0;

    for (const char *s = name; *s != '\0' && used < READABLE; s++) {
        if (is_direct(*s))
            out[used++] = *s;
        else if (((unsigned char)*s & 0xC0) != 0x80)
            out[used++] = '_';
    }
    out[used++] = SEPARATOR;
    shmap__sha256(digest, name, size);
    for (size_t i = 0; i < DIGITS / 2; i++)
        snprintf(out + used + 2 * i, 3, "%02x", digest[i]);
}

/* In place of a prefix and a name write as much of the prefix as the limit
 * leaves, and a hash of both, five bits to a character. */
static void write_short(char *space, const char *name, size_t limit)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    size_t prefix_size = strlen(space);
    uint8_t input[64 + 32];
    uint8_t digest[32];
    char *out = space + limit - SHORT_DIGITS - 1;

    memcpy(input, space, prefix_size);
    shmap__sha256(input + prefix_size, name, strlen(name));
    shmap__sha256(digest, input, prefix_size + 32);
    *out++ = SEPARATOR;
    for (size_t bit = 0; bit < 5 * SHORT_DIGITS; bit += 5) {
        unsigned two = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];

        *out++ = digits[(two >> (11 - bit % 8)) & 31];
    }
    *out = '\0';
}

bool shmap__name_is_native(const char *name)
{
    return shmap__name_is_utf8(name) && shmap__os_native_name_valid(name);
}

/* The name of a region in user or machine scope. */
static void derive(char space[SHMAP__NAME_SPACE], const char *name, int scope)
{
    size_t limit = shmap__os_facts_get()->name_limit;
    size_t prefix_size;
    bool direct;

    shmap__os_name_prefix(space, scope);
    prefix_size = strlen(space);
    direct = is_all_direct(name) &&
             (scope == SHMAP_SCOPE_USER || !looks_like_a_users(name));
    if (direct && prefix_size + strlen(name) <= limit)
        memcpy(space + prefix_size, name, strlen(name) + 1);
    else if (prefix_size + READABLE + 1 + DIGITS > limit)
        write_short(space, name, limit);
    else
        append_hashed(space + prefix_size, name);
}

shmap__os_status shmap__name_resolve(const char **os_name,
                                     char space[SHMAP__NAME_SPACE],
                                     const char *name, int scope)
{
    if (!shmap__name_is_utf8(name))
        return shmap__refuse_because(SHMAP_ENAME,
                                     "name: must be UTF-8 of one byte or more");
    if (scope == SHMAP_SCOPE_NATIVE && !shmap__os_native_name_valid(name))
        return shmap__refuse_because(
            SHMAP_ENAME, "name: in native scope it must be one that the system "
                         "can have: not too long, not reserved, no folder");
    if (scope != SHMAP_SCOPE_NATIVE)
        derive(space, name, scope);
    *os_name = scope == SHMAP_SCOPE_NATIVE ? name : space;
    return shmap__refuse(0);
}

static shmap__os_status write_os_name(char *out, size_t size, const char *name,
                                      int scope)
{
    char space[SHMAP__NAME_SPACE];
    const char *os_name;
    shmap__os_status status;

    if (out == NULL)
        return shmap__refuse_null("out");
    if (name == NULL)
        return shmap__refuse_null("name");
    if (scope < SHMAP_SCOPE_USER || scope > SHMAP_SCOPE_NATIVE)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "scope: must be one of enum shmap_scope");
    status = shmap__name_resolve(&os_name, space, name, scope);
    if (status.code < 0)
        return status;
    if (strlen(os_name) >= size)
        return shmap__refuse_because(
            SHMAP_ERANGE, "size: out has no room for the name and its NUL");
    memcpy(out, os_name, strlen(os_name) + 1);
    return status;
}

int shmap_os_name(char *out, size_t size, const char *name, int scope)
{
    return shmap__result(write_os_name(out, size, name, scope));
}
