/* SPDX-License-Identifier: MIT */

/* Sections, with and without a name. */
#include "win32/os.h"

#include <string.h>

#include "base/stop.h"

/* On Windows, an anonymous region has a name as well, which cannot be guessed:
 * without one, the system has no way to tell which section a handle means, and
 * before 8.1 does not keep an access list with it. */
static const wchar_t prefix[] = L"Local\\shmap~";

enum { RANDOM_BYTES = 16, DIGITS_PER_BYTE = 2 };

typedef struct random_name {
    wchar_t
        text[sizeof prefix / sizeof prefix[0] + RANDOM_BYTES * DIGITS_PER_BYTE];
} random_name;

static bool make_name(random_name *name)
{
    static const wchar_t digits[] = L"0123456789abcdef";
    wchar_t *end = name->text + sizeof prefix / sizeof prefix[0] - 1;
    BYTE random[RANDOM_BYTES];

    if (!shmap__win32_random(random, sizeof random))
        return false;
    memcpy(name->text, prefix, sizeof prefix);
    for (size_t i = 0; i < sizeof random; i++) {
        *end++ = digits[random[i] >> 4];
        *end++ = digits[random[i] & 0xF];
    }
    *end = L'\0';
    return true;
}

/* A process with a handle for reading must not be able to make it one for
 * writing, so the access list lets only the users write that the options name,
 * not even the region's own user. The handle made here can, whatever the list
 * says. */
static shmap__os_status make_security(shmap__win32_security *privacy,
                                      const shmap_region_options *options)
{
    DWORD error =
        shmap__win32_privacy_init(privacy, SHMAP__WIN32_SECTION_READ, true);

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    return shmap__win32_privacy_share(privacy, options,
                                      SHMAP__WIN32_SECTION_READ,
                                      SHMAP__WIN32_SECTION_WRITE);
}

/* Windows charges the commit limit for the whole section at once, also if the
 * pages could wait: `commit` makes no difference. */
shmap__os_status shmap__os_anonymous_create(shmap__os_object *object,
                                            const shmap__os_request *request)
{
    HANDLE section = NULL;
    shmap__win32_security privacy;
    random_name name;
    shmap__os_status status = make_security(&privacy, &request->options);

    if (status.code == 0 && !make_name(&name))
        status = shmap__win32_failed_as(SHMAP_ESYSTEM, 0);
    if (status.code == 0)
        status = shmap__win32_section_create(&section, name.text, request->size,
                                             &privacy);
    /* A sandbox may have no folder for names. */
    if (status.code == SHMAP_EACCES)
        status = shmap__win32_section_create(&section, NULL, request->size,
                                             &privacy);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.made");
    shmap__win32_object_fill(object, section, request->size,
                             SHMAP_KIND_ANONYMOUS, SHMAP_ACCESS_READ_WRITE);
    return status;
}
