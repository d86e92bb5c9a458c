/* layer: fs */
/*
 * Every member of struct fuse_lowlevel_ops: what it does to the journal.
 *
 * RECORDED(member, function)  may change the tree: has a record
 * PASSED(member, function)    goes to the lower tree, changes nothing
 * REFUSED(member)             not offered; why is told beside it
 *
 * A test fails when a member of the installed libfuse is not listed.
 */
PASSED(init, op_init)
REFUSED(destroy)        /* nothing to do */
PASSED(lookup, op_lookup)
PASSED(forget, op_forget)
PASSED(getattr, op_getattr)
RECORDED(setattr, op_setattr)
PASSED(readlink, op_readlink)
RECORDED(mknod, op_mknod)
RECORDED(mkdir, op_mkdir)
RECORDED(unlink, op_unlink)
RECORDED(rmdir, op_rmdir)
RECORDED(symlink, op_symlink)
RECORDED(rename, op_rename)
RECORDED(link, op_link)
RECORDED(open, op_open)       /* O_TRUNC */
PASSED(read, op_read)
RECORDED(write, op_write)
REFUSED(flush)          /* close waits for nothing: the kernel stops asking */
RECORDED(release, op_release) /* the last writer's: content has settled */
PASSED(fsync, op_fsync)
PASSED(opendir, op_opendir)
PASSED(readdir, op_readdir)
PASSED(releasedir, op_releasedir)
PASSED(fsyncdir, op_fsyncdir)
PASSED(statfs, op_statfs)
RECORDED(setxattr, op_setxattr)
PASSED(getxattr, op_getxattr)
PASSED(listxattr, op_listxattr)
RECORDED(removexattr, op_removexattr)
REFUSED(access)         /* default_permissions: the kernel checks */
RECORDED(create, op_create)
REFUSED(getlk)          /* locks are the kernel's: all access is local */
REFUSED(setlk)
REFUSED(bmap)           /* there is no block device */
RECORDED(ioctl, op_ioctl)     /* FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR */
REFUSED(poll)           /* files are always ready */
REFUSED(write_buf)      /* without splice, write is the same */
REFUSED(retrieve_reply)
PASSED(forget_multi, op_forget_multi)
REFUSED(flock)
RECORDED(fallocate, op_fallocate)
PASSED(readdirplus, op_readdirplus)
RECORDED(copy_file_range, op_copy_file_range)
PASSED(lseek, op_lseek)
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
REFUSED(tmpfile)        /* comes as create: op-tmpfile.c */
#endif
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
REFUSED(statx)          /* getattr tells all but the birth time */
#endif
