/* layer: base */
/*
 * What a server can do beyond the least that is needed, found out by trying:
 * ABILITY(symbol, word, what is different without it). The words are kept in
 * the journal and shown by `mirrorfs replica list --verbose`.
 */
ABILITY(POSIX_RENAME, "posix-rename", "a file that is replaced is missing for a moment")
ABILITY(HARDLINK, "hardlink", "further names of a file become copies")
ABILITY(SYMLINK, "symlink", "symbolic links are left out, but for those that are there")
ABILITY(FSYNC, "fsync", "the server decides when content is on its disk")
ABILITY(FSYNC_FOLDER, "fsync-folder", "the server decides when names are on its disk")
ABILITY(LSETSTAT, "lsetstat", "symbolic links have owner and times of their making")
ABILITY(LCHMOD, "lsetstat-mode", "permissions are changed by a call that follows symbolic links")
ABILITY(LIMITS, "limits", "small packets: slower over long ways")
ABILITY(COPY_DATA, "copy-data", "a large file that has changed is sent whole")
ABILITY(STATVFS, "statvfs", "a full disk is not foreseen, nor told from a quota")
ABILITY(USERS_GROUPS, "users-groups-by-id", "owner = name is refused")
ABILITY(FSETSTAT, "fsetstat", "attributes are set by name, in the stage")
ABILITY(SETSTAT, "setstat", "attributes of folders, and changes of attributes, are not carried")
ABILITY(MODE, "mode", "permissions are not carried")
ABILITY(TIMES, "times", "times are not carried")
ABILITY(OWNER, "owner", "owners are not carried: the login may not change them")
ABILITY(SET_ID, "set-id", "set-id bits are not carried")
ABILITY(CASE, "case", "names that differ only in case collide")
