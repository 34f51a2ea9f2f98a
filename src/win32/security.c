/* SPDX-License-Identifier: MIT */

/* Who may open what is made here, and whose it is that was found. */
#include "win32/os.h"

#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "base/compiler.h"

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

static DWORD find_user(shmap__win32_user *user)
{
    return query_token(TokenUser, &user->token, sizeof user->token);
}

/* SIDs that no header has. */
static SID owner_rights = {SID_REVISION,
                           1,
                           {SECURITY_CREATOR_SID_AUTHORITY},
                           {SECURITY_CREATOR_OWNER_RIGHTS_RID}};
static SID low_integrity = {SID_REVISION,
                            1,
                            {SECURITY_MANDATORY_LABEL_AUTHORITY},
                            {SECURITY_MANDATORY_LOW_RID}};

bool shmap__win32_is_owner_rights(PSID account)
{
    return EqualSid(account, &owner_rights) != FALSE;
}

/* Fill in the attributes of a new object with this owner and list; without a
 * list, everybody may do everything. */
static BOOL fill_attributes(SECURITY_ATTRIBUTES *attributes,
                            SECURITY_DESCRIPTOR *descriptor, PSID owner,
                            ACL *list)
{
    attributes->nLength = sizeof *attributes;
    attributes->lpSecurityDescriptor = descriptor;
    attributes->bInheritHandle = FALSE;
    /* Protected: a folder that hands down its own rules adds none. */
    return InitializeSecurityDescriptor(descriptor,
                                        SECURITY_DESCRIPTOR_REVISION) &&
           SetSecurityDescriptorOwner(descriptor, owner, FALSE) &&
           SetSecurityDescriptorDacl(descriptor, TRUE, list, FALSE) &&
           SetSecurityDescriptorControl(descriptor, SE_DACL_PROTECTED,
                                        SE_DACL_PROTECTED);
}

static BOOL let_known(ACL *acl, DWORD rights, WELL_KNOWN_SID_TYPE known)
{
    union {
        SID sid;
        BYTE space[SECURITY_MAX_SID_SIZE];
    } account;
    DWORD size = sizeof account;

    return CreateWellKnownSid(known, NULL, &account.sid, &size) &&
           AddAccessAllowedAce(acl, ACL_REVISION, rights, &account.sid);
}

/* As in the lists that Windows itself makes: a service opens what belongs to
 * its user, and an administrator need not become the owner first. */
static BOOL let_system(ACL *acl, DWORD rights)
{
    return let_known(acl, rights, WinLocalSystemSid) &&
           let_known(acl, rights, WinBuiltinAdministratorsSid);
}

/* Without an entry for the owner's rights, an owner can always read the list
 * and write a new one. A list that binds the owner binds the system as well. */
DWORD shmap__win32_privacy_init(shmap__win32_security *privacy, DWORD rights,
                                bool binding)
{
    ACL *acl = &privacy->access.acl;
    DWORD error = find_user(&privacy->user);
    PSID user = privacy->user.token.user.User.Sid;

    if (error != ERROR_SUCCESS)
        return error;
    if (!InitializeAcl(acl, sizeof privacy->access.own, ACL_REVISION) ||
        !AddAccessAllowedAce(acl, ACL_REVISION, rights,
                             binding ? &owner_rights : user) ||
        (!binding && !let_system(acl, rights)) ||
        !fill_attributes(&privacy->attributes, &privacy->descriptor, user, acl))
        return GetLastError();
    return ERROR_SUCCESS;
}

/* Without this, processes of lower integrity, which are the same users', could
 * not write. To lower a new object's integrity takes no privilege. */
static BOOL add_label(SECURITY_DESCRIPTOR *descriptor,
                      shmap__win32_label *label)
{
    return InitializeAcl(&label->acl, sizeof *label, ACL_REVISION) &&
           AddMandatoryAce(&label->acl, ACL_REVISION, 0,
                           SYSTEM_MANDATORY_LABEL_NO_WRITE_UP,
                           &low_integrity) &&
           SetSecurityDescriptorSacl(descriptor, TRUE, &label->acl, FALSE);
}

bool shmap__win32_drop_label(SECURITY_ATTRIBUTES *attributes, DWORD error)
{
    enum { INVALID_LABEL = 1299 }; /* which not every winerror.h has */
    ACL *label = NULL;
    BOOL present = FALSE;
    BOOL defaulted;

    return (error == ERROR_PRIVILEGE_NOT_HELD || error == INVALID_LABEL) &&
           attributes != NULL &&
           GetSecurityDescriptorSacl(attributes->lpSecurityDescriptor, &present,
                                     &label, &defaulted) &&
           present &&
           SetSecurityDescriptorSacl(attributes->lpSecurityDescriptor, FALSE,
                                     NULL, FALSE);
}

typedef union account_id {
    SID sid;
    BYTE space[SECURITY_MAX_SID_SIZE];
} account_id;

static DWORD look_up(account_id *id, const wchar_t *name)
{
    wchar_t domain[256];
    DWORD size = sizeof *id;
    DWORD domain_size = sizeof domain / sizeof domain[0];
    SID_NAME_USE use;

    return LookupAccountNameW(NULL, name, &id->sid, &size, domain, &domain_size,
                              &use)
               ? ERROR_SUCCESS
               : GetLastError();
}

static shmap__os_status no_such_group(int error)
{
    shmap__os_status status = {SHMAP_EINVAL, error,
                               "no group has the name that was given"};

    return status;
}

/* An account by its SID in text or by its name. */
static shmap__os_status find_account(account_id *id, const char *name)
{
    shmap__os_status done = {0, 0};
    wchar_t *wide;
    PSID parsed;
    DWORD error = ERROR_SUCCESS;
    shmap__os_status status = shmap__win32_utf16(&wide, name);

    if (status.code == SHMAP_ENAME)
        return no_such_group(status.system);
    if (status.code < 0)
        return status;
    /* The system takes two letters for a SID, too, as "AU" for all who have
     * logged in. Here they are an account's name. */
    if (wcschr(wide, L'-') != NULL && ConvertStringSidToSidW(wide, &parsed)) {
        if (!CopySid(sizeof *id, &id->sid, parsed))
            error = GetLastError();
        LocalFree(parsed);
    } else {
        error = look_up(id, wide);
    }
    free(wide);
    return error == ERROR_SUCCESS ? done : no_such_group((int)error);
}

shmap__os_status shmap__win32_privacy_share(shmap__win32_security *privacy,
                                            const shmap_region_options *options,
                                            DWORD read, DWORD write)
{
    shmap__os_status status = {0, 0};
    account_id others;
    DWORD size = sizeof others;
    DWORD rights = read;

    switch (options->share) {
    case SHMAP_SHARE_OWNER:
        return status;
    case SHMAP_SHARE_EVERYONE:
        rights = write;
        if (!add_label(&privacy->descriptor, &privacy->label))
            return shmap__win32_failed(GetLastError());
        /* fall through */
    case SHMAP_SHARE_EVERYONE_READ:
        if (!CreateWellKnownSid(WinWorldSid, NULL, &others.sid, &size))
            return shmap__win32_failed(GetLastError());
        break;
    case SHMAP_SHARE_GROUP:
        rights = write; /* fall through */
    default:
        status = find_account(&others, options->group);
        break;
    }
    if (status.code == 0 &&
        !AddAccessAllowedAce(&privacy->access.acl, ACL_REVISION, rights,
                             &others.sid))
        status = shmap__win32_failed(GetLastError());
    return status;
}

/* The rules of who may do what with a region, as they are kept with it. */
typedef struct region_rules {
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[2048];
    } security;
    PACL list; /* NULL: everybody may do everything */
    PSID owner;
    bool is_low; /* its label says so */
    DWORD to_read;
    DWORD to_write;
} region_rules;

static bool label_is_low(PSECURITY_DESCRIPTOR descriptor)
{
    ACL *list = NULL;
    SYSTEM_MANDATORY_LABEL_ACE *label;
    BOOL present = FALSE;
    BOOL defaulted;

    return GetSecurityDescriptorSacl(descriptor, &present, &list, &defaulted) &&
           present && list != NULL && GetAce(list, 0, (void **)&label) &&
           label->Header.AceType == SYSTEM_MANDATORY_LABEL_ACE_TYPE &&
           EqualSid((PSID)&label->SidStart, &low_integrity);
}

static DWORD find_rules(region_rules *rules, HANDLE region, int kind)
{
    const bool is_file = kind == SHMAP_KIND_FILE;
    PSECURITY_DESCRIPTOR descriptor = &rules->security.descriptor;
    BOOL present;
    BOOL defaulted;
    DWORD needed;

    if (!GetKernelObjectSecurity(region,
                                 OWNER_SECURITY_INFORMATION |
                                     DACL_SECURITY_INFORMATION |
                                     LABEL_SECURITY_INFORMATION,
                                 descriptor, sizeof rules->security, &needed) ||
        !GetSecurityDescriptorOwner(descriptor, &rules->owner, &defaulted) ||
        !GetSecurityDescriptorDacl(descriptor, &present, &rules->list,
                                   &defaulted))
        return GetLastError();
    if (!present)
        rules->list = NULL;
    rules->is_low = label_is_low(descriptor);
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

/* The owner of an anonymous region has handles for writing, whatever its list
 * says, and need not be the owner of what is made here. */
static bool is_for_owner(ACCESS_ALLOWED_ACE *rule)
{
    return rule->Header.AceType == ACCESS_ALLOWED_ACE_TYPE &&
           shmap__win32_is_owner_rights((PSID)&rule->SidStart);
}

static BOOL add_owner(ACL *acl, PSID owner, DWORD rights)
{
    return owner == NULL ||
           AddAccessAllowedAce(acl, ACL_REVISION, rights, owner);
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
        if (is_for_owner(rule) ? !add_owner(acl, rules->owner, read | write)
                               : !add_rule(acl, rule, rights))
            return GetLastError();
    }
    /* Without what is unused, which the system would keep. */
    if (!GetAclInformation(acl, &size, sizeof size, AclSizeInformation))
        return GetLastError();
    acl->AclSize = (WORD)size.AclBytesInUse;
    return ERROR_SUCCESS;
}

DWORD shmap__win32_likeness_init(shmap__win32_security *likeness, HANDLE region,
                                 int kind, DWORD read, DWORD write)
{
    ACL *acl = &likeness->access.acl;
    region_rules rules;
    DWORD error = find_rules(&rules, region, kind);

    if (error == ERROR_SUCCESS &&
        !InitializeAcl(acl, sizeof likeness->access.likeness, ACL_REVISION))
        error = GetLastError();
    if (error == ERROR_SUCCESS && rules.list != NULL)
        error = add_rules(acl, &rules, read, write);
    if (error == ERROR_SUCCESS)
        error = find_user(&likeness->user);
    if (error != ERROR_SUCCESS)
        return error;
    if (!fill_attributes(&likeness->attributes, &likeness->descriptor,
                         likeness->user.token.user.User.Sid,
                         rules.list == NULL ? NULL : acl) ||
        (rules.is_low && !add_label(&likeness->descriptor, &likeness->label)))
        return GetLastError();
    return ERROR_SUCCESS;
}

/* What an elevated process makes with raw calls belongs to the owner in its
 * token, which is the group of administrators and not the user. */
static DWORD find_own(PSID owner, bool *own)
{
    shmap__win32_user user;
    union {
        TOKEN_OWNER owner;
        BYTE space[sizeof(TOKEN_OWNER) + SECURITY_MAX_SID_SIZE];
    } token;

    DWORD error = find_user(&user);

    if (error == ERROR_SUCCESS)
        error = query_token(TokenOwner, &token, sizeof token);
    if (error == ERROR_SUCCESS)
        *own = EqualSid(owner, user.token.user.User.Sid) ||
               EqualSid(owner, token.owner.Owner);
    return error;
}

static bool is_system(PSID owner)
{
    return IsWellKnownSid(owner, WinLocalSystemSid) ||
           IsWellKnownSid(owner, WinBuiltinAdministratorsSid);
}

/* A failure because of what this account has. */
static shmap__os_status belongs_to(int code, DWORD error, PSID account)
{
    static SHMAP__THREAD_LOCAL char words[184 + 1]; /* of the longest SID */
    shmap__os_status status = shmap__win32_failed_as(code, error);
    char *text;

    if (!ConvertSidToStringSidA(account, &text))
        return status;
    snprintf(words, sizeof words, "%s", text);
    LocalFree(text);
    status.reason = SHMAP__OS_OF_ACCOUNT;
    status.detail = words;
    return status;
}

static shmap__os_status check_account(PSID account, int owner)
{
    shmap__os_status done = {0, 0};
    bool own = false;
    DWORD error = find_own(account, &own);

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    if (own || (owner == SHMAP_OWNER_SYSTEM && is_system(account)))
        return done;
    return belongs_to(SHMAP_EOWNER, 0, account);
}

typedef union owner_security {
    SECURITY_DESCRIPTOR descriptor;
    BYTE space[sizeof(SECURITY_DESCRIPTOR) + SECURITY_MAX_SID_SIZE];
} owner_security;

/* The owner, which lies in `security`; NULL if there is none. Returns 0 or an
 * error. */
static DWORD find_owner(HANDLE handle, owner_security *security, PSID *owner)
{
    BOOL defaulted;
    DWORD needed;

    *owner = NULL;
    if (!GetKernelObjectSecurity(handle, OWNER_SECURITY_INFORMATION,
                                 &security->descriptor, sizeof *security,
                                 &needed) ||
        !GetSecurityDescriptorOwner(&security->descriptor, owner, &defaulted))
        return GetLastError();
    return ERROR_SUCCESS;
}

shmap__os_status shmap__win32_belongs(int code, DWORD error, HANDLE handle)
{
    owner_security security;
    PSID account;

    if (handle == NULL ||
        find_owner(handle, &security, &account) != ERROR_SUCCESS ||
        account == NULL)
        return shmap__win32_failed_as(code, error);
    return belongs_to(code, error, account);
}

shmap__os_status shmap__win32_check_owner(HANDLE handle, int owner)
{
    shmap__os_status done = {0, 0};
    owner_security security;
    PSID found;
    DWORD error;

    if (owner == SHMAP_OWNER_ANYBODY)
        return done;
    error = find_owner(handle, &security, &found);
    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    /* Nobody's is not ours. */
    if (found == NULL || !IsValidSid(found))
        return shmap__win32_failed_as(SHMAP_EOWNER, 0);
    return check_account(found, owner);
}

/* Check whose a token is, and close it. */
static shmap__os_status check_token(HANDLE token, int owner)
{
    shmap__win32_user user;
    DWORD written;
    DWORD error = ERROR_SUCCESS;

    if (!GetTokenInformation(token, TokenUser, &user.token, sizeof user.token,
                             &written))
        error = GetLastError();
    CloseHandle(token);
    return error == ERROR_SUCCESS
               ? check_account(user.token.user.User.Sid, owner)
               : shmap__win32_failed_as(SHMAP_EOWNER, error);
}

shmap__os_status shmap__win32_check_process(DWORD id, int owner)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
    HANDLE token = NULL;
    DWORD error;

    if (process == NULL)
        return shmap__win32_failed_as(SHMAP_EOWNER, GetLastError());
    OpenProcessToken(process, TOKEN_QUERY, &token);
    error = GetLastError();
    CloseHandle(process);
    return token == NULL ? shmap__win32_failed_as(SHMAP_EOWNER, error)
                         : check_token(token, owner);
}

/* The system tells this only by letting a thread act as that user. */
shmap__os_status shmap__win32_check_client(HANDLE pipe, int owner)
{
    HANDLE before = NULL;
    HANDLE token = NULL;
    DWORD error = ERROR_SUCCESS;

    if (!OpenThreadToken(GetCurrentThread(), TOKEN_IMPERSONATE, TRUE,
                         &before) &&
        GetLastError() != ERROR_NO_TOKEN)
        return shmap__win32_failed(GetLastError());
    if (!ImpersonateNamedPipeClient(pipe) ||
        !OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
        error = GetLastError();
    /* The thread must not go on as somebody else. */
    if (!SetThreadToken(NULL, before)) {
        error = GetLastError();
        RevertToSelf();
        if (token != NULL)
            CloseHandle(token);
        token = NULL;
    }
    if (before != NULL)
        CloseHandle(before);
    return token == NULL ? shmap__win32_failed_as(SHMAP_EOWNER, error)
                         : check_token(token, owner);
}

bool shmap__win32_handle_owner(HANDLE handle, char *out, size_t size)
{
    owner_security security;
    PSID owner;
    char *text;

    if (find_owner(handle, &security, &owner) != ERROR_SUCCESS ||
        owner == NULL || !ConvertSidToStringSidA(owner, &text))
        return false;
    snprintf(out, size, "%s", text);
    LocalFree(text);
    return true;
}

void shmap__os_owner(const shmap__os_object *object, char *out, size_t size)
{
    shmap__win32_handle_owner((HANDLE)object->native, out, size);
}
