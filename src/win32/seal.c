/* SPDX-License-Identifier: MIT */

/* Sealing: sections have one size for life, and handles that can write can only
 * be closed. And finding out whether a handle for reading stays a handle for
 * reading. */
#include "win32/os.h"

#include "base/stop.h"

enum {
    ALWAYS = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK,
    SECTION_OF_FILE = 0x800000 /* which can be extended with it */
};

int shmap__os_seals(const shmap__os_object *object)
{
    shmap__win32_section_info info;

    if (object->kind == SHMAP_KIND_FILE ||
        shmap__win32_section_query((HANDLE)object->native, &info) !=
            ERROR_SUCCESS ||
        (info.attributes & SECTION_OF_FILE) != 0)
        return 0;
    return ALWAYS | object->seals;
}

/* Return whether this user's processes count as the account. */
static bool is_one_of(PSID account)
{
    BOOL member = TRUE;

    return !CheckTokenMembership(NULL, account, &member) || member;
}

static bool is_denial(BYTE type)
{
    return type == ACCESS_DENIED_ACE_TYPE ||
           type == ACCESS_DENIED_OBJECT_ACE_TYPE ||
           type == ACCESS_DENIED_CALLBACK_ACE_TYPE ||
           type == ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE;
}

/* Denials are passed over: they take rights away, never give any. So are
 * entries for the owner's rights, if another account is the owner. */
static bool list_gives(const ACL *list, bool owned, DWORD rights)
{
    bool bound = false;

    for (DWORD i = 0; i < list->AceCount; i++) {
        ACCESS_ALLOWED_ACE *rule;
        bool of_owner;

        if (!GetAce((ACL *)(uintptr_t)list, i, (void **)&rule))
            return true;
        if ((rule->Header.AceFlags & INHERIT_ONLY_ACE) != 0 ||
            is_denial(rule->Header.AceType))
            continue;
        if (rule->Header.AceType != ACCESS_ALLOWED_ACE_TYPE)
            return true;
        of_owner = shmap__win32_is_owner_rights((PSID)&rule->SidStart);
        bound = bound || of_owner;
        if ((rule->Mask & rights) != 0 &&
            (of_owner ? owned : is_one_of((PSID)&rule->SidStart)))
            return true;
    }
    return owned && !bound;
}

/* Return whether this user's processes get any of these rights, or the right to
 * change the rights of others, by the object's owner and list, whatever a
 * handle has. True if that cannot be told. */
static bool user_gets(HANDLE handle, DWORD rights)
{
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[2048];
    } security;
    PSID owner = NULL;
    PACL list = NULL;
    BOOL present;
    BOOL defaulted;
    DWORD needed;

    if (!GetKernelObjectSecurity(
            handle, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            &security.descriptor, sizeof security, &needed) ||
        !GetSecurityDescriptorOwner(&security.descriptor, &owner, &defaulted) ||
        !GetSecurityDescriptorDacl(&security.descriptor, &present, &list,
                                   &defaulted))
        return true;
    if (!present || list == NULL)
        return true;
    rights |= WRITE_DAC | WRITE_OWNER | GENERIC_ALL | GENERIC_WRITE;
    return list_gives(list, owner == NULL || is_one_of(owner), rights);
}

/* Return whether a process with the rights of this one can turn a handle for
 * reading into one for writing. */
static bool section_can_be_written(HANDLE section)
{
    HANDLE self = GetCurrentProcess();
    HANDLE more;

    if (DuplicateHandle(self, section, self, &more, SECTION_MAP_WRITE, FALSE,
                        0)) {
        CloseHandle(more);
        return true;
    }
    return GetLastError() != ERROR_ACCESS_DENIED ||
           user_gets(section, SECTION_MAP_WRITE);
}

static bool file_can_be_written(HANDLE file)
{
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    HANDLE more = ReOpenFile(file, FILE_WRITE_DATA, share, 0);

    if (more != INVALID_HANDLE_VALUE) {
        CloseHandle(more);
        return true;
    }
    return (GetLastError() != ERROR_ACCESS_DENIED &&
            GetLastError() != ERROR_WRITE_PROTECT) ||
           user_gets(file, FILE_WRITE_DATA | FILE_APPEND_DATA);
}

bool shmap__win32_can_be_written(HANDLE handle, int kind)
{
    return kind == SHMAP_KIND_FILE ? file_can_be_written(handle)
                                   : section_can_be_written(handle);
}

/* Make a handle that cannot write, if `handle` is the only one of its section
 * and no process could make another. */
static shmap__os_status make_reader(HANDLE handle, HANDLE *reader)
{
    shmap__os_status done = {0, 0};
    HANDLE self = GetCurrentProcess();
    ULONG handles = 0;
    DWORD error = shmap__win32_handle_count(handle, &handles);
    DWORD rights = 0;

    if (error == ERROR_SUCCESS)
        error = shmap__win32_granted(handle, &rights);
    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    if (handles != 1)
        return shmap__win32_failed_as(SHMAP_EBUSY, 0);
    if (!DuplicateHandle(self, handle, self, reader,
                         rights & SHMAP__WIN32_SECTION_READ, FALSE, 0))
        return shmap__win32_failed(GetLastError());
    if (!shmap__win32_can_be_written(*reader, SHMAP_KIND_ANONYMOUS))
        return done;
    CloseHandle(*reader);
    return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
}

shmap__os_status shmap__os_seal(shmap__os_object *object, int wanted)
{
    const HANDLE handle = (HANDLE)object->native;
    HANDLE reader;
    uint64_t size;
    shmap__os_status status = shmap__os_size(object, &size);

    if (status.code < 0)
        return status;
    wanted &= ~shmap__os_seals(object);
    if (wanted == 0)
        return status;
    if (object->access == SHMAP_ACCESS_READ)
        return shmap__win32_failed_as(SHMAP_EACCES, 0);
    /* Nor can another program's section of a file be sealed. */
    if (wanted != SHMAP_SEAL_WRITERS)
        return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
    status = make_reader(handle, &reader);
    if (status.code < 0)
        return status;
    SHMAP__STOP("seal.made");
    object->native = (intptr_t)reader;
    object->seals |= SHMAP_SEAL_WRITERS;
    CloseHandle(handle);
    return status;
}
