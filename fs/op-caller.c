/* Acting for the caller of a request: see caller.h. */
#include "confdefs.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "fs/ops.h"
#include "fs/who.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

void op_who(fuse_req_t req, struct who *ret)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	who_get(ctx->uid, ctx->gid, ctx->pid, ret);
}

int op_become(fuse_req_t req, enum caller_setid setid)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	return caller_become(ctx->uid, ctx->gid, setid);
}

bool op_has_capability(fuse_req_t req, int cap)
{
	return caller_has_capability(fuse_req_ctx(req)->pid, cap);
}

/* The groups are those of the calling thread at this moment: it waits. */
static int become_with_groups(fuse_req_t req)
{
	CLEANUP_FREE gid_t *groups = malloc(GROUPS_MAX * sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	int r = op_become(req, CALLER_CLEARS_SETID);
	int n = fuse_req_getgroups(req, GROUPS_MAX, groups);
	/* a caller that cannot be seen is in its own group only */
	if (r == 0 && n > 0 && n <= GROUPS_MAX)
		r = caller_groups(groups, (size_t)n);
	return r;
}

int op_become_changer(fuse_req_t req, bool has_setid)
{
	bool root = fuse_req_ctx(req)->uid == 0;
	if (!has_setid)
		return op_become(req, root ? CALLER_KEEPS_SETID
					   : CALLER_CLEARS_SETID);
	/* by the id alone nobody knows what root may do. Whoever is not root
	 * loses the bits: an NFS server's threads have all capabilities */
	if (root && op_has_capability(req, CAP_FSETID))
		return op_become(req, CALLER_KEEPS_SETID);
	return become_with_groups(req);
}

int op_become_maker(fuse_req_t req, mode_t mode)
{
	const mode_t bits = S_ISGID | S_IXGRP;
	/* from Linux 6.0 on the kernel has asked already */
	if ((mode & bits) == bits)
		return op_become_changer(req, true);
	return op_become(req, CALLER_KEEPS_SETID);
}
