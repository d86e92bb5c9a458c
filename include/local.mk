noinst_HEADERS += include/activity.h include/buf.h include/cleanup.h include/clock.h \
	include/fs.h include/journal.h include/log.h include/memo.h include/mounts.h \
	include/paths.h include/owed.h include/privileges.h include/record.h \
	include/remote.h include/reserve.h include/runtime.h include/settings.h \
	include/shared.h include/stamps.h include/sync.h include/tbl/ops.h \
	include/replica-options.h include/tbl/replica-options.h \
	include/tbl/settings.h include/values.h include/written.h
noinst_HEADERS += include/abilities.h include/tbl/abilities.h
noinst_HEADERS += include/causes.h include/remote-url.h include/remote-fork.h include/remote-second.h include/remote-wait.h include/tbl/causes.h
noinst_HEADERS += include/comparison.h include/filter.h include/rate.h
