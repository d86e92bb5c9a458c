/* layer: journal */
/*
 * The operations that a record can carry:
 * OP(symbol, number on disk, word, what it means). Numbers are never reused.
 * `path` is the tree path when it happened, `path2` the second one.
 */
OP(CREATE,   1, "create",   "a regular file was made; RF_OPEN: its maker has it open for writing")
OP(MKDIR,    2, "mkdir",    "a directory was made")
OP(SYMLINK,  3, "symlink",  "a symbolic link was made; path2 is its target")
OP(MKNOD,    4, "mknod",    "a fifo, socket or device was made")
OP(LINK,     5, "link",     "path2 became another name of path")
OP(RENAME,   6, "rename",   "path became path2; RF_EXCHANGE: and path2 became path")
OP(UNLINK,   7, "unlink",   "a name of something that is not a directory was removed")
OP(RMDIR,    8, "rmdir",    "a directory was removed")
OP(SETATTR,  9, "setattr",  "RF_MODE, RF_OWNER, RF_TIMES: these were set")
OP(DIRTY,   10, "open",     "before the first write: content begins to change")
OP(SETTLE,  11, "write",    "content has settled; ranges say what was written")
OP(TRUNC,   12, "truncate", "cut or grown to size by path, nobody had it open for writing")
OP(XATTR,   13, "xattr",    "an extended attribute or ACL was set or removed; path2 is its name")
OP(FLAGS,   14, "chattr",   "inode flags were set (FS_IOC_SETFLAGS, FSSETXATTR)")
OP(UNSURE,  15, "unsure",   "path (and path2) may have been changed, or not: look")
OP(GAP,     16, "gap",      "records were lost: everything must be compared")
OP(START,   17, "mount",    "the tree was mounted")
OP(STOP,    18, "umount",   "the tree was unmounted")
