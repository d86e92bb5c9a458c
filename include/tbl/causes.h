/* layer: base */
/*
 * Why a path is parked, as far as it was found out:
 * CAUSE(symbol, word, what is wrong, what to do). The word is what the journal
 * keeps and `status --parked --json` says: none is ever renamed.
 */
CAUSE(UNKNOWN, "unknown", "failure on the replica",
      "look at the server's log there, then: mirrorfs retry")
CAUSE(DISK_FULL, "disk-full", "no space is left on the replica",
      "free space there; it then goes on by itself")
CAUSE(NO_INODES, "no-inodes", "the file system of the replica has no inodes left",
      "remove files there; it then goes on by itself")
CAUSE(QUOTA, "quota", "writing is refused although space is left: a quota or another limit",
      "look at the quota of the login there (quota, repquota), and at the "
      "server's log")
CAUSE(READ_ONLY, "read-only", "the file system of the replica is read-only",
      "see why (dmesg there), mount it for writing, then: mirrorfs retry")
CAUSE(NOT_PERMITTED, "not-permitted", "permission denied on the replica",
      "give the login the right to change it there (owner, mode, chattr -i)")
CAUSE(WRONG_TYPE, "wrong-type", "something of another kind is in the way on the replica",
      "move it away there, then: mirrorfs retry")
CAUSE(NOT_EMPTY, "not-empty", "a folder on the replica is not empty",
      "who else writes there? Then: mirrorfs retry")
CAUSE(PROTECTED, "protected", "a folder on the replica is in the way, with something that is excluded",
      "move what is excluded out of it there; it then goes on by itself")
CAUSE(OTHER_FS, "other-filesystem", "another file system is mounted there on the replica",
      "unmount it, or make the replica one file system")
CAUSE(TOO_MANY_LINKS, "too-many-links", "the file system of the replica takes no more hard links, or folders in "
      "one folder",
      "it has a lower limit, or the server may not link: copy the file here, "
      "or spread the folders")
CAUSE(BAD_NAME, "bad-name", "the replica does not take this name: too long, or not valid there",
      "rename it here")
CAUSE(MISSING, "missing", "a folder above it is missing on the replica",
      "see what else is parked; then: mirrorfs retry")
CAUSE(REFUSED, "refused", "the server of the replica refuses it, and does not say why",
      "a disk that fails, a quota or a limit of links there? See the server's "
      "log, and dmesg there")
CAUSE(UNSUPPORTED, "unsupported", "the server of the replica cannot do this",
      "see mirrorfs replica list --verbose")
CAUSE(CHANGING, "changing", "it changes faster than it can be sent",
      "nothing: it is tried again")
CAUSE(WAITING, "waiting", "many failed at once: its turn to be tried again comes",
      "nothing: it is tried at once")
CAUSE(MASTER, "master", "it cannot be read on the master",
      "see the log of the kernel here (dmesg)")
