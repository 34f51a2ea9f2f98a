/* SPDX-License-Identifier: MIT */

/* What sections and files have in common: who owns them, adopting, closing,
 * sizes.
 */
#include "os.h"

#include "stop.h"

enum {
    CLASS_BASIC = 0, /* of NtQuerySection and of NtQueryObject */
    SECTION_OF_IMAGE = 0x1000000,
    SECTION_RESERVED = 0x4000000
};

/* The buffer that NtQueryObject wants for ObjectBasicInformation. */
typedef struct object_info {
    ULONG attributes;
    ACCESS_MASK access;
    ULONG handles;
    ULONG pointers;
    ULONG reserved[8];
    LARGE_INTEGER created;
} object_info;

/* The user's token: the thread's if it acts for somebody, else the process's.
 */
static DWORD open_token(HANDLE *token)
{
    DWORD error;

    if (OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, token))
        return ERROR_SUCCESS;
    error = GetLastError();
    if (error != ERROR_NO_TOKEN)
        return error;
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, token))
        return ERROR_SUCCESS;
    return GetLastError();
}

static DWORD query_token(TOKEN_INFORMATION_CLASS what, void *out, DWORD size)
{
    HANDLE token;
    DWORD error = open_token(&token);
    DWORD written;

    if (error != ERROR_SUCCESS)
        return error;
    if (!GetTokenInformation(token, what, out, size, &written))
        error = GetLastError();
    CloseHandle(token);
    return error;
}

static DWORD find_user(shmap__os_user *user)
{
    return query_token(TokenUser, &user->token, sizeof user->token);
}

DWORD shmap__os_privacy_init(shmap__os_privacy *privacy, DWORD rights)
{
    SECURITY_DESCRIPTOR *descriptor = &privacy->descriptor;
    ACL *acl = &privacy->access.acl;
    DWORD error = find_user(&privacy->user);
    PSID user = privacy->user.token.user.User.Sid;

    if (error != ERROR_SUCCESS)
        return error;
    /* Protected: a folder that hands down its own rules adds none. */
    if (!InitializeAcl(acl, sizeof privacy->access, ACL_REVISION) ||
        !AddAccessAllowedAce(acl, ACL_REVISION, rights, user) ||
        !InitializeSecurityDescriptor(descriptor,
                                      SECURITY_DESCRIPTOR_REVISION) ||
        !SetSecurityDescriptorOwner(descriptor, user, FALSE) ||
        !SetSecurityDescriptorDacl(descriptor, TRUE, acl, FALSE) ||
        !SetSecurityDescriptorControl(descriptor, SE_DACL_PROTECTED,
                                      SE_DACL_PROTECTED))
        return GetLastError();
    privacy->attributes.nLength = sizeof privacy->attributes;
    privacy->attributes.lpSecurityDescriptor = descriptor;
    privacy->attributes.bInheritHandle = FALSE;
    return ERROR_SUCCESS;
}

/* The rules of who may do what with a region, as they are kept with it. */
typedef struct region_rules {
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[2048];
    } security;
    PACL list; /* NULL: everybody may do everything */
    DWORD to_read;
    DWORD to_write;
} region_rules;

static DWORD find_rules(region_rules *rules, HANDLE region, int kind)
{
    bool is_file = kind == SHMAP_KIND_FILE;
    BOOL present;
    BOOL defaulted;
    DWORD needed;

    if (!GetKernelObjectSecurity(region, DACL_SECURITY_INFORMATION,
                                 &rules->security.descriptor,
                                 sizeof rules->security, &needed) ||
        !GetSecurityDescriptorDacl(&rules->security.descriptor, &present,
                                   &rules->list, &defaulted))
        return GetLastError();
    if (!present)
        rules->list = NULL;
    rules->to_read = GENERIC_ALL | GENERIC_READ;
    rules->to_read |= is_file ? FILE_READ_DATA : SECTION_MAP_READ;
    rules->to_write = GENERIC_ALL | GENERIC_WRITE;
    rules->to_write |= is_file ? FILE_WRITE_DATA : SECTION_MAP_WRITE;
    return ERROR_SUCCESS;
}

/* Allow or deny to others what a rule of the region allows or denies them. */
static BOOL add_rule(ACL *acl, ACCESS_ALLOWED_ACE *rule, DWORD rights)
{
    if (rights == 0 || (rule->Header.AceFlags & INHERIT_ONLY_ACE) != 0)
        return TRUE;
    if (rule->Header.AceType == ACCESS_ALLOWED_ACE_TYPE)
        return AddAccessAllowedAce(acl, ACL_REVISION, rights, &rule->SidStart);
    if (rule->Header.AceType == ACCESS_DENIED_ACE_TYPE)
        return AddAccessDeniedAce(acl, ACL_REVISION, rights, &rule->SidStart);
    return TRUE;
}

static DWORD add_rules(ACL *acl, const region_rules *rules, DWORD read,
                       DWORD write)
{
    ACL_SIZE_INFORMATION size;

    for (DWORD i = 0; i < rules->list->AceCount; i++) {
        ACCESS_ALLOWED_ACE *rule; /* Denials look the same. */
        DWORD rights = 0;

        if (!GetAce(rules->list, i, (void **)&rule))
            return GetLastError();
        if ((rule->Mask & rules->to_read) != 0)
            rights |= read;
        if ((rule->Mask & rules->to_write) != 0)
            rights |= write;
        if (!add_rule(acl, rule, rights))
            return GetLastError();
    }
    /* Without what is unused, which the system would keep. */
    if (!GetAclInformation(acl, &size, sizeof size, AclSizeInformation))
        return GetLastError();
    acl->AclSize = (WORD)size.AclBytesInUse;
    return ERROR_SUCCESS;
}

DWORD shmap__os_likeness_init(shmap__os_likeness *likeness, HANDLE region,
                              int kind, DWORD read, DWORD write)
{
    SECURITY_DESCRIPTOR *descriptor = &likeness->descriptor;
    ACL *acl = &likeness->access.acl;
    region_rules rules;
    DWORD error = find_rules(&rules, region, kind);

    if (error == ERROR_SUCCESS &&
        !InitializeAcl(acl, sizeof likeness->access, ACL_REVISION))
        error = GetLastError();
    if (error == ERROR_SUCCESS && rules.list != NULL)
        error = add_rules(acl, &rules, read, write);
    if (error != ERROR_SUCCESS)
        return error;
    if (!InitializeSecurityDescriptor(descriptor,
                                      SECURITY_DESCRIPTOR_REVISION) ||
        !SetSecurityDescriptorDacl(descriptor, TRUE,
                                   rules.list == NULL ? NULL : acl, FALSE) ||
        !SetSecurityDescriptorControl(descriptor, SE_DACL_PROTECTED,
                                      SE_DACL_PROTECTED))
        return GetLastError();
    likeness->attributes.nLength = sizeof likeness->attributes;
    likeness->attributes.lpSecurityDescriptor = descriptor;
    likeness->attributes.bInheritHandle = FALSE;
    return ERROR_SUCCESS;
}

/* What an elevated process makes with raw calls belongs to the owner in its
 * token, which is the group of administrators and not the user. */
static bool is_own(PSID owner)
{
    shmap__os_user user;
    union {
        TOKEN_OWNER owner;
        BYTE space[sizeof(TOKEN_OWNER) + SECURITY_MAX_SID_SIZE];
    } token;

    if (find_user(&user) == ERROR_SUCCESS &&
        EqualSid(owner, user.token.user.User.Sid))
        return true;
    return query_token(TokenOwner, &token, sizeof token) == ERROR_SUCCESS &&
           EqualSid(owner, token.owner.Owner);
}

static bool is_system(PSID owner)
{
    return IsWellKnownSid(owner, WinLocalSystemSid) ||
           IsWellKnownSid(owner, WinBuiltinAdministratorsSid);
}

shmap__os_status shmap__os_check_owner(HANDLE handle, int owner)
{
    shmap__os_status done = {0, 0};
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[sizeof(SECURITY_DESCRIPTOR) + SECURITY_MAX_SID_SIZE];
    } security;
    PSID found = NULL;
    BOOL defaulted;
    DWORD needed;

    if (!GetKernelObjectSecurity(handle, OWNER_SECURITY_INFORMATION,
                                 &security.descriptor, sizeof security,
                                 &needed))
        return shmap__os_failed(GetLastError());
    if (!GetSecurityDescriptorOwner(&security.descriptor, &found, &defaulted))
        return shmap__os_failed(GetLastError());
    /* Nobody's is not ours. */
    if (found == NULL || !IsValidSid(found))
        return shmap__os_failed_as(SHMAP_EOWNER, 0);
    if (is_own(found) || (owner == SHMAP_OWNER_SYSTEM && is_system(found)))
        return done;
    return shmap__os_failed_as(SHMAP_EOWNER, 0);
}

DWORD shmap__os_section_query(HANDLE section, shmap__os_section_info *info)
{
    const shmap__os_system *system = shmap__os_system_get();
    LONG status;

    if (system->query_section == NULL || system->error_of == NULL)
        return ERROR_CALL_NOT_IMPLEMENTED;
    status =
        system->query_section(section, CLASS_BASIC, info, sizeof *info, NULL);
    return status < 0 ? system->error_of(status) : ERROR_SUCCESS;
}

static DWORD query_object(HANDLE handle, object_info *info)
{
    const shmap__os_system *system = shmap__os_system_get();
    LONG status;

    if (system->query_object == NULL || system->error_of == NULL)
        return ERROR_CALL_NOT_IMPLEMENTED;
    status =
        system->query_object(handle, CLASS_BASIC, info, sizeof *info, NULL);
    return status < 0 ? system->error_of(status) : ERROR_SUCCESS;
}

DWORD shmap__os_handle_count(HANDLE handle, ULONG *count)
{
    object_info info;
    DWORD error = query_object(handle, &info);

    if (error == ERROR_SUCCESS)
        *count = info.handles;
    return error;
}

/* Whether the first page of a section is committed. */
static bool has_begun(HANDLE section)
{
    MEMORY_BASIC_INFORMATION page = {0};
    void *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 1);

    if (view == NULL)
        return false;
    VirtualQuery(view, &page, sizeof page);
    UnmapViewOfFile(view);
    return page.State == MEM_COMMIT;
}

static shmap__os_status usable_size(HANDLE section,
                                    const shmap__os_section_info *info,
                                    uint64_t *size)
{
    shmap__os_status done = {0, 0};

    /* A program's code. */
    if ((info->attributes & SECTION_OF_IMAGE) != 0)
        return shmap__os_failed_as(SHMAP_ETYPE, 0);
    /* Whoever made it commits its pages bit by bit; to touch others would end
     * the process. */
    if ((info->attributes & SECTION_RESERVED) != 0)
        return shmap__os_failed_as(
            has_begun(section) ? SHMAP_ENOTSUP : SHMAP_ENOTREADY, 0);
    *size = (uint64_t)info->size.QuadPart;
    return done;
}

shmap__os_status shmap__os_section_size(HANDLE section, uint64_t *size)
{
    shmap__os_section_info info;
    DWORD error = shmap__os_section_query(section, &info);

    if (error != ERROR_SUCCESS)
        return shmap__os_failed(error);
    return usable_size(section, &info, size);
}

/* Find what a handle's rights allow, and whether that is enough. */
static shmap__os_status find_access(HANDLE handle, ACCESS_MASK read,
                                    ACCESS_MASK write, int *access)
{
    shmap__os_status done = {0, 0};
    object_info info;
    DWORD error = query_object(handle, &info);
    bool writable;

    if (error != ERROR_SUCCESS)
        return shmap__os_failed(error);
    writable = (info.access & write) != 0;
    if ((info.access & read) == 0 ||
        (*access == SHMAP_ACCESS_READ_WRITE && !writable))
        return shmap__os_failed_as(SHMAP_EACCES, 0);
    if (*access == SHMAP_ACCESS_DEFAULT)
        *access = writable ? SHMAP_ACCESS_READ_WRITE : SHMAP_ACCESS_READ;
    return done;
}

static shmap__os_status look_at_section(shmap__os_object *object,
                                        const shmap__os_section_info *info)
{
    shmap__os_status status =
        usable_size((HANDLE)object->native, info, &object->size);

    object->kind = SHMAP_KIND_ANONYMOUS;
    if (status.code < 0)
        return status;
    return find_access((HANDLE)object->native, SECTION_MAP_READ,
                       SECTION_MAP_WRITE, &object->access);
}

static shmap__os_status look_at_file(shmap__os_object *object)
{
    HANDLE file = (HANDLE)object->native;
    shmap__os_status status;
    uint64_t size;

    object->kind = SHMAP_KIND_FILE;
    if (!shmap__os_file_is_regular(file) ||
        !shmap__os_file_identify(file, object->identity, &size))
        return shmap__os_failed_as(SHMAP_ETYPE, 0);
    status =
        find_access(file, FILE_READ_DATA, FILE_WRITE_DATA, &object->access);
    if (status.code < 0)
        return status;
    return shmap__os_file_size(file, &size);
}

shmap__os_status shmap__os_adopt(shmap__os_object *object, intptr_t native,
                                 int access)
{
    shmap__os_object found = {0};
    HANDLE handle = (HANDLE)native;
    shmap__os_section_info info;
    shmap__os_status status;
    DWORD flags;
    DWORD error;

    /* INVALID_HANDLE_VALUE is also this process. */
    if (handle == NULL || handle == INVALID_HANDLE_VALUE)
        return shmap__os_failed_as(SHMAP_EINVAL, 0);
    if (!GetHandleInformation(handle, &flags))
        return shmap__os_failed_as(SHMAP_EINVAL, GetLastError());
    found.native = native;
    found.access = access;
    error = shmap__os_section_query(handle, &info);
    if (error == ERROR_SUCCESS)
        status = look_at_section(&found, &info);
    else if (error == ERROR_INVALID_HANDLE)
        status = look_at_file(&found);
    else
        status = shmap__os_failed(error);
    if (status.code < 0)
        return status;
    if (!SetHandleInformation(
            handle, HANDLE_FLAG_INHERIT | HANDLE_FLAG_PROTECT_FROM_CLOSE, 0))
        return shmap__os_failed(GetLastError());
    *object = found;
    return status;
}

void shmap__os_close(shmap__os_object *object, const char *os_name)
{
    HANDLE handle = (HANDLE)object->native;
    uint64_t size;

    (void)os_name;
    SHMAP__STOP("close.begun");
    if (shmap__os_size(object, &size).code < 0)
        return;
    if (object->kind == SHMAP_KIND_FILE)
        shmap__os_file_unmark(handle);
    CloseHandle(handle);
    object->native = -1;
}

/* The file's size, if the handle is still the object's: its number may mean
 * another file by now. */
static shmap__os_status file_size_now(const shmap__os_object *object,
                                      uint64_t *size)
{
    shmap__os_status done = {0, 0};
    uint64_t identity[2];
    uint64_t now;

    if (!shmap__os_file_identify((HANDLE)object->native, identity, &now))
        return shmap__os_failed_as(SHMAP_EINVAL, GetLastError());
    if (identity[0] != object->identity[0] ||
        identity[1] != object->identity[1])
        return shmap__os_failed_as(SHMAP_EINVAL, 0);
    *size = now;
    return done;
}

shmap__os_status shmap__os_size(const shmap__os_object *object, uint64_t *size)
{
    shmap__os_status done = {0, 0};
    HANDLE handle = (HANDLE)object->native;
    shmap__os_section_info info;
    DWORD error;

    if (object->kind == SHMAP_KIND_FILE)
        return file_size_now(object, size);
    /* A section's size never changes, but the handle may have been closed, and
     * its number given to something else. */
    error = shmap__os_section_query(handle, &info);
    if (error != ERROR_SUCCESS)
        return shmap__os_failed_as(SHMAP_EINVAL, error);
    if ((uint64_t)info.size.QuadPart != object->size)
        return shmap__os_failed_as(SHMAP_EINVAL, 0);
    *size = object->size;
    return done;
}

int shmap__os_info_flags(const shmap__os_object *object, const char *os_name)
{
    HANDLE handle = (HANDLE)object->native;
    ULONG handles = 0;
    bool alone = false;

    (void)os_name;
    if (object->kind == SHMAP_KIND_FILE)
        alone = shmap__os_file_is_alone(handle);
    else if (object->kind == SHMAP_KIND_NAMED)
        alone = shmap__os_handle_count(handle, &handles) == ERROR_SUCCESS &&
                handles == 1;
    return alone ? SHMAP_INFO_ALONE : 0;
}
