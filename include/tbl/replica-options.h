/* layer: base */
/*
 * What can be set for each replica: in its section of the configuration file
 * or, for all of them, in [mount]; by `mount -o`, `replica add -o` and
 * `replica set`. Parsers, `replica list --verbose` and the journal follow this
 * table; mirrorfs.conf(5) tells it.
 * REPLICA_OPTION(member, key, kind, words, preset, what it means)
 * kind: BOOL; COUNT and SIZE (bytes; "never": UINT64_MAX); SPAN (a duration,
 * ns; "never": 0); WORD (the place of the value in `words`, which are
 * separated by spaces); PERCENT; RATE (see rate.h); FILTER and TEXT (NULL when empty). `words` is "" but for WORD.
 */
REPLICA_OPTION(update, "update", WORD, "atomic append inplace whole", "atomic",
	       "how a file that is there is brought up to date: by a copy that "
	       "replaces it, into itself if it only grew, into itself, or by "
	       "sending all of it")
REPLICA_OPTION(inplace_above, "inplace-above", SIZE, "", "64M",
	       "smaller files are never written into, with update = append or "
	       "inplace")
REPLICA_OPTION(max_backlog, "max-backlog", COUNT, "", "1000000",
	       "records that are kept for a replica that is away; beyond them "
	       "it is compared when it returns")
REPLICA_OPTION(max_backlog_bytes, "max-backlog-bytes", SIZE, "", "never",
	       "bytes written in records that are kept for a replica that is "
	       "away")
REPLICA_OPTION(max_away, "max-away", SPAN, "", "30d",
	       "how long records are kept for a replica that is away")
REPLICA_OPTION(aside_above, "aside-above", SIZE, "", "1M",
	       "a file of this size and more that is still being sent lets "
	       "later changes pass it; never: all arrive in their order")
REPLICA_OPTION(parallel_above, "parallel-above", SIZE, "", "32M",
	       "as much as that of large files is sent over a second "
	       "connection as well; never: there is one")
REPLICA_OPTION(owner, "owner", TEXT, "", "",
	       "whose things are there: numeric, name, map:FILE, USER[:GROUP] "
	       "or ignore")
REPLICA_OPTION(durable, "durable", BOOL, "", "yes",
	       "what counts as replicated is on the replica's disk (fsync, "
	       "where the server has it)")
REPLICA_OPTION(max_delete, "max-delete", PERCENT, "", "20%",
	       "a first copy or comparison that would delete more of what the "
	       "replica has, and more than 100 entries, asks before it does")
REPLICA_OPTION(filter, "filter", FILTER, "", "",
	       "what the replica does not get: rules as of rsync; exclude and "
	       "include add one")
REPLICA_OPTION(filter_file, "filter-file", TEXT, "", "",
	       "a file on the master with more of them")
REPLICA_OPTION(bwlimit, "bwlimit", RATE, "", "never",
	       "bytes of content that are sent in a second: 2M, or 08:00-18:00 "
	       "2M, 20M")
