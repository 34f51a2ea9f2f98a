/* SPDX-License-Identifier: MIT */

/* Rights: the users that may open a new object. */
#include "win32/os.h"

#include <sddl.h>
#include <stdlib.h>
#include <wchar.h>

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
 * list, every user may do everything. */
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

/* Let SYSTEM and the Administrators in, as the lists do that Windows itself
 * makes: a service opens objects of its user, and an administrator need not
 * become the owner first. */
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
    DWORD error = shmap__win32_find_user(&privacy->user);
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

shmap__os_status shmap__win32_privacy_share(shmap__win32_security *privacy,
                                            const shmap_region_options *options,
                                            DWORD read, DWORD write)
{
    shmap__os_status status = {0, 0};
    shmap__win32_account others;
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
        status = shmap__win32_find_account(
            &others, options->group,
            "options: no account has the name of `group`");
        break;
    }
    if (status.code == 0 &&
        !AddAccessAllowedAce(&privacy->access.acl, ACL_REVISION, rights,
                             &others.sid))
        status = shmap__win32_failed(GetLastError());
    return status;
}

/* The access list of a region, as it is kept with it. */
typedef struct region_rules {
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[2048];
    } security;
    PACL list; /* NULL: every user may do everything */
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

/* Allow or deny to other users what a rule of the region allows or denies them.
 */
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

/* Return whether a rule is for OWNER RIGHTS, which means the owner of the
 * object that has the rule. A new object may have another owner than the
 * region, so the rule becomes one for the region's owner, with all rights: that
 * owner has handles for writing anyway. */
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
    /* Cut off the unused part, which the system would keep. */
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
        error = shmap__win32_find_user(&likeness->user);
    if (error != ERROR_SUCCESS)
        return error;
    if (!fill_attributes(&likeness->attributes, &likeness->descriptor,
                         likeness->user.token.user.User.Sid,
                         rules.list == NULL ? NULL : acl) ||
        (rules.is_low && !add_label(&likeness->descriptor, &likeness->label)))
        return GetLastError();
    return ERROR_SUCCESS;
}
