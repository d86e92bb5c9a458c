/*
 * COMMAND(word, function, synopsis, what it does). Parser, --help and the
 * summary follow this table; the functions are in the file of their name.
 */
COMMAND("mount", cmd_mount,
	"ROOT [--replica NAME=URL]... [OPTIONS]",
	"mount over ROOT, record each change, replay it on the replicas")
COMMAND("umount", cmd_umount, "ROOT", "unmount and stop replicating")
COMMAND("upgrade", cmd_upgrade, "[ROOT]",
	"let this version take over a mount, while it is in use")
COMMAND("status", cmd_status, "[ROOT] [--parked] [--json] [--watch]",
	"the replicas: state, lag, newest error; what is held back")
COMMAND("retry", cmd_retry, "[ROOT] [--replica NAME] [PATH...]",
	"try what is held back, and what is offline, at once")
COMMAND("wait", cmd_wait,
	"[ROOT] [PATH...] [--replica NAME] [--timeout SECONDS]",
	"wait until what was recorded before the call is on the replicas")
COMMAND("reconcile", cmd_reconcile,
	"[ROOT] [PATH] [--replica NAME] [--checksum] [--wait]",
	"compare the tree, or a part of it, with the replicas, make it equal")
COMMAND("log", cmd_log, "[ROOT] [PATH] [FILTERS] [--follow] [--json]",
	"who changed what, when, and when it reached which replica")
COMMAND("replica", cmd_replica,
	"add|remove|list|pause|resume|set ROOT [NAME[=URL]] [OPTIONS]",
	"change the replicas of a living mount")
