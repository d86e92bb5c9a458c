/* layer: base */
/*
 * What a configuration file can say. Parser, `mirrorfs mount --help`-free
 * checks, and mirrorfs.conf(5) follow this table.
 * SETTING(section, key, member, type, what it means)
 * type: TEXT, PATH (absolute), BOOL, SPAN (a duration, 0 or "never": off),
 * SIZE (bytes; "never": UINT64_MAX)
 */
SETTING(mount, "root", root, PATH, "the document root to mount over")
SETTING(mount, "name", name, TEXT, "name of the mount; default: the escaped root")
SETTING(mount, "state-dir", state_dir, PATH, "where the journal lives")
SETTING(mount, "identity", identity, PATH, "private key for all replicas")
SETTING(mount, "known-hosts", known_hosts, PATH, "host keys for all replicas")
SETTING(mount, "accept-new", accept_new, BOOL, "store unknown host keys at first contact")
SETTING(mount, "history", history_ns, SPAN, "how long records are kept once every replica has them")
SETTING(mount, "settle-idle", settle_idle_ns, SPAN, "publish a file that stays open this long after its last write")
SETTING(mount, "settle-age", settle_age_ns, SPAN, "publish a file that stays open and is written to this long after its first write")
SETTING(mount, "delta-above", delta_above, SIZE, "of files of this size and more only what changed travels")
SETTING(mount, "journal", journal, TEXT, "preferred: users go on while it cannot be written; required: their changes are refused then")
SETTING(mount, "activity-log", activity_log, BOOL, "mark on the disk what is being changed, against power cuts")
SETTING(mount, "activity-lift", activity_lift_ns, SPAN, "how often journal and tree are synced and the marks lifted")
SETTING(mount, "hang-after", hang_ns, SPAN, "a process of the mount that does not go on for so long hangs: it is told, and ended where that helps")
SETTING(mount, "without", without, TEXT, "features of the kernel that are not to be used")
SETTING(replica, "url", url, TEXT, "sftp://user@host:port/path or /path")
SETTING(replica, "identity", identity, PATH, "private key for this replica")
SETTING(replica, "known-hosts", known_hosts, PATH, "host keys for this replica")
SETTING(replica, "accept-new", accept_new, BOOL, "store an unknown host key at first contact")
SETTING(replica, "adopt", adopt, BOOL, "take over a folder that is not empty")
